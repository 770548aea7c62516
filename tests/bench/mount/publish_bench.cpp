// SPDX-License-Identifier: MIT
// Publishes small files as an index writer does: each is created under a temporary name, written,
// closed and renamed. Prints how many a second.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace {

constexpr std::size_t kFileSize = 4096;

bool publish(const std::string& directory, unsigned number) {
  const std::string temporary = fmt::format("{}/temporary-{}", directory, number);
  const std::string name = fmt::format("{}/segment-{}", directory, number);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) {
    return false;
  }
  static constexpr std::array<char, kFileSize> kBytes{};
  const bool is_written = ::write(fd, kBytes.data(), kBytes.size()) == kFileSize;
  return ::close(fd) == 0 && is_written && ::rename(temporary.c_str(), name.c_str()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  unsigned count = 0;
  const std::string_view number = argc == 3 ? arguments[2] : "";
  if (std::from_chars(number.data(), number.data() + number.size(), count).ec != std::errc{}) {
    fmt::print(stderr, "Usage: mmapdirfs_publish_bench DIRECTORY COUNT\n");
    return 2;
  }
  const std::string directory = arguments[1];
  const auto began = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < count; ++i) {
    if (!publish(directory, i)) {
      fmt::print(stderr, "mmapdirfs_publish_bench: {}: {}\n", directory,
                 std::generic_category().message(errno));
      return 1;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print("{:.1f}\n", count / took.count());
  return 0;
}
