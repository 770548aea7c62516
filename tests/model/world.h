// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>

#include "file_handle.h"
#include "operation.h"
#include "shared_mapping.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// What one process has of one of the two trees. A resource type.
struct World {
  static constexpr std::size_t kSlots = 4;

  explicit World(const std::filesystem::path& directory)
      : path(directory), root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  int file(unsigned slot) const { return files.at(slot).get(); }

  std::filesystem::path path;
  UniqueFd root;
  std::array<UniqueFd, kSlots> files{};
  std::array<SharedMapping, kSlots> mappings{};
  std::array<FileHandle, kSlots> handles{};
  std::array<UniqueFd, kSlots> mapped_files{};  // of each mapping, so that its size can be had
};

// What a call came to: its value, or the name of the errno.
std::string said(long result);

// The same, followed by what the attributes are now.
std::string said_of_file(const World& world, unsigned slot, long result);
std::string said_of_path(const World& world, const char* path, long result);

// All beneath a directory, as far as the caller may see it: a line for each name. Directories have
// no size there, and times that are near are called so.
enum class Times { kLeftOut, kCompared };
std::string describe_world(const std::filesystem::path& root, Times times);

}  // namespace mmapdir::test
