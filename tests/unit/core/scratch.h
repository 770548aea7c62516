// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "mmapdir/owned_bytes.h"
#include "mmapdir/relative_path.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// A fresh directory that goes with its object, and everything in it. A resource type.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The result of a system call that has to work for the test to mean anything.
template <class T>
T must(T result, const char* what) {
  if (result == static_cast<T>(-1)) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return result;
}

UniqueFd open_file(const std::filesystem::path& path, int flags);

// In place, as opposed to what DirectoryWriter::write() does.
void put_file(const std::filesystem::path& path, std::string_view text);
void append_to(const std::filesystem::path& path, std::string_view text);
void resize(const std::filesystem::path& path, std::uint64_t size);

// Writes back what is dirty, and returns when none of the file's pages is in memory any more. Only
// for files that nobody has mapped and locked.
void drop_from_memory(int fd);

// Every name in a directory of the file system, hidden ones as well, sorted.
std::vector<std::string> names_in(const std::filesystem::path& directory);

// How many of this process's descriptors lead to `path` or beneath.
std::size_t open_descriptors_in(const std::filesystem::path& path);

RelativePath relative(std::string_view text);
std::vector<RelativePath> relative(std::initializer_list<std::string_view> texts);
std::span<const std::byte> bytes_of(std::string_view text);

// By copy_to(), so that a truncated source throws.
std::string text_of(const OwnedBytes& bytes);

std::size_t page_size();

// The flags of the mapping that holds an address, as /proc/self/smaps shows them: " rr " for
// random, " sr " for sequential reading.
std::string mapping_flags_at(const std::byte* address);

// Skips the running test for what the machine doesn't offer; where CI is set, fails instead.
[[noreturn]] void skip(const std::string& reason);

}  // namespace mmapdir::test
