// SPDX-License-Identifier: MIT
// How the parity operations put what a system call said into words.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

inline std::string errno_name(int number) {
  const char* name = ::strerrorname_np(number);
  return name != nullptr ? name : fmt::format("errno {}", number);
}

template <class Call>
std::string answer(const Call& call) {
  const auto result = call();
  return result == -1 ? errno_name(errno) : fmt::format("{}", result);
}

// Hashed: an answer is a line.
inline std::string bytes_or_errno(ssize_t got, const std::string& buffer) {
  return got < 0 ? errno_name(errno)
                 : fmt::format("{}: {:x}", got, std::hash<std::string>{}(buffer));
}

// O_NONBLOCK, so that a FIFO doesn't wait for its other end.
template <class Use>
std::string opened(const std::filesystem::path& path, int flags, const Use& use) {
  const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0644));
  return fd ? use(fd.get()) : "open: " + errno_name(errno);
}

inline std::string read_answer(const std::filesystem::path& path, std::size_t size, off_t offset) {
  return opened(path, O_RDONLY, [&](int fd) {
    std::string buffer(size, '\0');
    const ssize_t got = ::pread(fd, buffer.data(), size, offset);
    return bytes_or_errno(got, buffer);
  });
}

// What becomes of opening a directory and listing it: where the kernel opens directories without a
// message, what stands against it shows in the listing.
inline std::string listing_answer(const std::filesystem::path& path) {
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    return errno_name(errno);
  }
  errno = 0;
  // Nobody else has the stream.
  while (::readdir(directory) != nullptr) {  // NOLINT(concurrency-mt-unsafe)
  }
  const int error = errno;
  ::closedir(directory);
  return error == 0 ? "listed" : errno_name(error);
}

// What a child has put out that has tried `count` operations: a line for each.
inline std::vector<std::string> lines_of(const Outcome& outcome, std::size_t count) {
  INFO(outcome.error);
  REQUIRE(outcome.status == 0);
  std::vector<std::string> lines;
  std::istringstream output(outcome.output);
  for (std::string line; std::getline(output, line);) {
    lines.push_back(line);
  }
  REQUIRE(lines.size() == count);
  return lines;
}

// A path as it fits into the name of an operation.
inline std::string shown(const std::string& path) {
  return path.size() < 60 ? path : fmt::format("{}... ({} bytes)", path.substr(0, 20), path.size());
}

}  // namespace mmapdir::test
