// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/unique_fd.h"

namespace mmapdir::test {

// The result of a system call that has to work for the test to mean anything; where it doesn't, an
// exception that says what was tried and why it failed.
template <class T>
T must(T result, std::string_view what) {
  if (result == static_cast<T>(-1)) {
    throw std::system_error(errno, std::generic_category(), std::string(what));
  }
  return result;
}

UniqueFd open_fd(const std::filesystem::path& path, int flags, mode_t mode = 0644);

// Bytes that tell where they belong: they differ between neighbouring pages, offsets and seeds.
std::string pattern(std::size_t size, std::uint32_t seed);

void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode = 0644);
void write_at(int fd, std::string_view content, off_t offset);

// Reads until the end of the file or until `size` bytes are there.
std::string read_at(int fd, std::size_t size, off_t offset);
std::string read_file(const std::filesystem::path& path);

// Empty where the two are the same, else one line that says where they part. Compare big contents
// with this: a failed `==` would print both.
std::string difference(std::string_view actual, std::string_view expected);

// What lstat says, in one line: all of it but the device, the preferred block size and, where a
// reader may already have moved it, the access time.
std::string attributes(const std::filesystem::path& path);

// The names in a directory, without "." and "..", sorted.
std::vector<std::string> names_in(const std::filesystem::path& directory);

// A file of every size at which a page or a request ends: 0, 1, 4095, 4096, 4097, 1 MiB +- 1.
std::vector<std::string> make_files_of_each_size(const std::filesystem::path& directory);

// Asks again until the condition holds or the time is over; for what sends no event, such as the
// end of a cache's timeout.
bool eventually(const std::function<bool()>& condition,
                std::chrono::milliseconds limit = std::chrono::seconds(20));

}  // namespace mmapdir::test
