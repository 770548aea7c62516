// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "mounted/parity_answer.h"
#include "support/files.h"
#include "world.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

std::string attributes_text(const struct stat& found) {
  return fmt::format("{:o} {}:{} links {} size {}", found.st_mode, found.st_uid, found.st_gid,
                     found.st_nlink, S_ISDIR(found.st_mode) ? 0 : found.st_size);
}

constexpr time_t kDay = 86'400;

std::string time_text(const timespec& time) {
  return std::abs(time.tv_sec - ::time(nullptr)) < kDay
             ? "recent"
             : fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

// Reading moves a time that isn't ahead, or doesn't.
std::string access_time_text(const timespec& time) {
  return time.tv_sec > ::time(nullptr) + kDay ? time_text(time) : "past";
}

std::string content_text(const Path& path, mode_t mode) {
  if (S_ISLNK(mode)) {
    return std::filesystem::read_symlink(path).string();
  }
  if (!S_ISREG(mode)) {
    return {};
  }
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    return errno_name(errno);
  }
  constexpr std::size_t kMost = 4 << 20;
  return fmt::format("{:x}", std::hash<std::string>{}(read_at(fd.get(), kMost, 0)));
}

std::string xattrs_text(const Path& path) {
  std::string names(10'000, '\0');
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0) {
    return errno_name(errno);
  }
  names.resize(static_cast<std::size_t>(length));
  std::vector<std::string> texts;
  std::istringstream stream(names);
  for (std::string name; std::getline(stream, name, '\0');) {
    std::string value(10'000, '\0');
    const ssize_t got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    texts.push_back(name + "=" + bytes_or_errno(got, value));
  }
  std::ranges::sort(texts);
  return fmt::format("{}", fmt::join(texts, " "));
}

class Description {
 public:
  Description(Path root, Times times) : root_(std::move(root)), times_(times) {}

  void add(const Path& name) {
    const Path path = root_ / name;
    struct stat found{};
    if (::lstat(path.c_str(), &found) != 0) {
      lines_.push_back(fmt::format("{}: {}", name.string(), errno_name(errno)));
      return;
    }
    // Which names are links of one file is told by the first of them.
    const auto first = first_names_.try_emplace({found.st_dev, found.st_ino}, name.string()).first;
    std::string line =
        fmt::format("{}: {} is {} {} {}", name.string(), attributes_text(found), first->second,
                    content_text(path, found.st_mode), xattrs_text(path));
    if (times_ == Times::kCompared) {
      line += fmt::format(" modified {} accessed {}", time_text(found.st_mtim),
                          access_time_text(found.st_atim));
    }
    lines_.push_back(line);
    if (S_ISDIR(found.st_mode)) {
      add_children(name);
    }
  }

  std::string text() const { return fmt::format("{}", fmt::join(lines_, "\n")); }

 private:
  void add_children(const Path& name) {
    std::error_code failure;
    std::vector<Path> children;
    for (std::filesystem::directory_iterator entry(root_ / name, failure), end;
         !failure && entry != end; entry.increment(failure)) {
      children.push_back(name / entry->path().filename());
    }
    if (failure) {
      lines_.push_back(fmt::format("{}: {}", name.string(), errno_name(failure.value())));
    }
    std::ranges::sort(children);
    for (const Path& child : children) {
      add(child);
    }
  }

  Path root_;
  Times times_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
  std::vector<std::string> lines_;
};

}  // namespace

std::string said(long result) {
  return result == -1 ? errno_name(errno) : fmt::format("{}", result);
}

std::string said_of_file(const World& world, unsigned slot, long result) {
  const std::string outcome = said(result);
  struct stat found{};
  if (::fstat(world.file(slot), &found) != 0) {
    return fmt::format("{}, {}", outcome, errno_name(errno));
  }
  // Where a directory's descriptor stands is each file system's own affair.
  const off_t position = S_ISREG(found.st_mode) ? ::lseek(world.file(slot), 0, SEEK_CUR) : off_t{0};
  return fmt::format("{}, {} at {}", outcome, attributes_text(found), position);
}

std::string said_of_path(const World& world, const char* path, long result) {
  const std::string outcome = said(result);
  struct stat found{};
  if (::fstatat(world.root.get(), path, &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return fmt::format("{}, {}", outcome, errno_name(errno));
  }
  return fmt::format("{}, {}", outcome, attributes_text(found));
}

std::string describe_world(const Path& root, Times times) {
  Description description(root, times);
  description.add(".");
  return description.text();
}

}  // namespace mmapdir::test
