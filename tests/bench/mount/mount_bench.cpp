// SPDX-License-Identifier: MIT
// Does one thing to each of a directory's small files, pass after pass, and prints as JSON how many
// files a second it got through in the first pass and, if time is given for them, in the later
// ones.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kFileSize = 4096;

bool open_read_close(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  std::array<std::byte, kFileSize> bytes;
  const bool is_read = ::read(fd, bytes.data(), bytes.size()) == kFileSize;
  return ::close(fd) == 0 && is_read;
}

bool stat_file(const std::string& path) {
  struct stat attributes{};
  return ::stat(path.c_str(), &attributes) == 0;
}

bool stat_missing(const std::string& path) {
  struct stat attributes{};
  return ::stat(path.c_str(), &attributes) != 0 && errno == ENOENT;
}

// As an index writer does it: created under a temporary name, written, closed and renamed.
bool publish(const std::string& path) {
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) {
    return false;
  }
  static constexpr std::array<std::byte, kFileSize> kBytes{};
  const bool is_written = ::write(fd, kBytes.data(), kBytes.size()) == kFileSize;
  return ::close(fd) == 0 && is_written && ::rename(temporary.c_str(), path.c_str()) == 0;
}

struct Work {
  std::string_view name;
  std::string_view file_prefix;
  bool (*on_file)(const std::string& path);
};

constexpr std::array kWorks{
    Work{.name = "open-read-close", .file_prefix = "file-", .on_file = open_read_close},
    Work{.name = "stat", .file_prefix = "file-", .on_file = stat_file},
    Work{.name = "failing-stat", .file_prefix = "missing-", .on_file = stat_missing},
    Work{.name = "publish", .file_prefix = "file-", .on_file = publish},
};

template <typename Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

bool pass(const Work& work, const std::vector<std::string>& paths) {
  const auto failed = std::ranges::find_if_not(paths, work.on_file);
  if (failed == paths.end()) {
    return true;
  }
  fmt::print(stderr, "mmapdirfs_mount_bench: {}: {}: {}\n", work.name, *failed,
             std::generic_category().message(errno));
  return false;
}

// Passes until the time is over, one at least; files a second, or 0 after a failure.
double passes(const Work& work, const std::vector<std::string>& paths, Seconds time) {
  const auto began = Clock::now();
  Seconds took{};
  std::size_t files = 0;
  do {
    if (!pass(work, paths)) {
      return 0;
    }
    files += paths.size();
    took = Clock::now() - began;
  } while (took < time);
  return static_cast<double>(files) / took.count();
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  unsigned count = 0;
  unsigned milliseconds = 0;
  const auto* const work =
      argc == 5 ? std::ranges::find(kWorks, arguments[1], &Work::name) : kWorks.end();
  if (work == kWorks.end() || !parse(arguments[3], count) || count == 0 ||
      !parse(arguments[4], milliseconds)) {
    fmt::print(stderr,
               "Usage: mmapdirfs_mount_bench open-read-close|stat|failing-stat|publish DIRECTORY "
               "FILES MILLISECONDS\n");
    return 2;
  }
  std::vector<std::string> paths;
  paths.reserve(count);
  for (unsigned number = 0; number < count; ++number) {
    paths.push_back(fmt::format("{}/{}{}", arguments[2], work->file_prefix, number));
  }
  const double first = passes(*work, paths, Seconds{0});
  if (first == 0) {
    return 1;
  }
  if (milliseconds == 0) {
    fmt::print("{{\"first_pass\": {:.1f}}}\n", first);
    return 0;
  }
  const double later = passes(*work, paths, std::chrono::milliseconds(milliseconds));
  if (later == 0) {
    return 1;
  }
  fmt::print("{{\"first_pass\": {:.1f}, \"later_passes\": {:.1f}}}\n", first, later);
  return 0;
}
