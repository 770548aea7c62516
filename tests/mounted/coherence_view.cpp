// SPDX-License-Identifier: MIT
#include "coherence_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <climits>
#include <functional>
#include <system_error>
#include <utility>

#include "coherence_changes.h"
#include "parity_answer.h"
#include "support/acl.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

// Without the times of reading and, since a file system may change them when it likes, the blocks.
std::string described(int result, const struct stat& found) {
  if (result != 0) {
    return errno_name(errno);
  }
  return fmt::format(
      "mode={:o} uid={} gid={} nlink={} ino={} size={} mtime={}.{:09} ctime={}.{:09}",
      found.st_mode, found.st_uid, found.st_gid, found.st_nlink, found.st_ino, found.st_size,
      found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec, found.st_ctim.tv_nsec);
}

std::string stat_answer(const std::filesystem::path& path) {
  struct stat found{};
  return described(::lstat(path.c_str(), &found), found);
}

std::string fstat_answer(int fd) {
  struct stat found{};
  return described(::fstat(fd, &found), found);
}

std::string list_answer(const std::filesystem::path& directory) {
  try {
    std::string listed;
    for (const auto& name : names_in(directory)) {
      listed += name + " ";
    }
    return listed;
  } catch (const std::filesystem::filesystem_error& failure) {
    return errno_name(failure.code().value());
  }
}

std::string readlink_answer(const std::filesystem::path& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  return length < 0 ? errno_name(errno) : std::string(target.data(), std::size_t(length));
}

std::string xattr_answer(const std::filesystem::path& path, const char* name) {
  std::array<char, 256> value{};
  const ssize_t length = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  return bytes_or_errno(length, {value.data(), std::size_t(length < 0 ? 0 : length)});
}

std::string pread_answer(int fd) {
  std::string bytes(kMoreThanAFile, '\0');
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(std::size_t(got < 0 ? 0 : got));
  return bytes_or_errno(got, bytes);
}

std::string whole_answer(const std::filesystem::path& path) {
  return opened(path, O_RDONLY, pread_answer);
}

}  // namespace

Viewer::Viewer(std::filesystem::path root)
    : root_(std::move(root)),
      file_(open_fd(root_ / "file", O_RDONLY)),
      mapping_(::mmap(nullptr, kMappedSize, PROT_READ, MAP_SHARED, file_.get(), 0)) {
  if (mapping_ == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mmap");
  }
}

Viewer::~Viewer() { ::munmap(mapping_, kMappedSize); }

// Only the first page: no change takes that away from the file.
std::string Viewer::mapped_bytes() const {
  const std::string bytes(static_cast<const char*>(mapping_), kMappedSize);
  return fmt::format("{:x}", std::hash<std::string>{}(bytes));
}

// A passthrough file's attributes are asked for anew once it was read; and who reads a file in
// another way has its pages dropped if its attributes turn out to have changed.
View Viewer::look() const {
  View view = look_at_attributes();
  view["mapping"] = mapped_bytes();
  view["list ."] = list_answer(root_);
  view["list directory"] = list_answer(root_ / "directory");
  view["readlink link"] = readlink_answer(root_ / "link");
  view["xattr file"] = xattr_answer(root_ / "file", "user.note");
  view["pread"] = pread_answer(file_.get());
  for (const char* name : {"file", "absent", "directory/inner", "moved/inner"}) {
    view[fmt::format("read {}", name)] = whole_answer(root_ / name);
  }
  return view;
}

View Viewer::look_at_attributes() const {
  View view;
  view["fstat"] = fstat_answer(file_.get());
  for (const char* name :
       {".", "file", "absent", "link", "directory", "directory/inner", "empty", "moved"}) {
    view[fmt::format("stat {}", name)] = stat_answer(root_ / name);
  }
  view["acl file"] = xattr_answer(root_ / "file", kAclName);
  return view;
}

void check_equal(const View& actual, const View& expected) {
  for (const auto& [question, answer] : expected) {
    INFO(question);
    CHECK(actual.at(question) == answer);
  }
}

}  // namespace mmapdir::test
