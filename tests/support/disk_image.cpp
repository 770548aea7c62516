// SPDX-License-Identifier: MIT
#include "support/disk_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

#include "support/files.h"

namespace mmapdir::test {

void must_run(const std::vector<std::string>& command) {
  const Outcome outcome = run(command);
  if (outcome.status != 0) {
    throw std::runtime_error(fmt::format("{}: status {}: {}{}", fmt::join(command, " "),
                                         outcome.status, outcome.output, outcome.error));
  }
}

void DiskImage::make(const std::filesystem::path& image, std::uintmax_t size,
                     const std::string& type, const std::vector<std::string>& arguments) {
  must(::ftruncate(open_fd(image, O_RDWR | O_CREAT | O_TRUNC).get(), static_cast<off_t>(size)),
       "make the image");
  std::vector<std::string> command{"mkfs." + type, "-q"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  command.push_back(image);
  must_run(command);
}

DiskImage::DiskImage(const std::filesystem::path& image, const std::filesystem::path& where,
                     const std::string& options)
    : path_(where) {
  std::filesystem::create_directories(where);
  must_run({"mount", "-o", options, image.string(), where.string()});
}

DiskImage::~DiskImage() { ::umount2(path_.c_str(), MNT_DETACH); }

bool DiskImage::is_idle() const {
  struct stat found{};
  must(::stat(path_.c_str(), &found), "stat");
  std::ifstream inflight(
      fmt::format("/sys/dev/block/{}:{}/inflight", ::major(found.st_dev), ::minor(found.st_dev)));
  unsigned reads = 1;
  unsigned writes = 1;
  inflight >> reads >> writes;
  return reads == 0 && writes == 0;
}

}  // namespace mmapdir::test
