// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/types.h"

namespace mmapdirfs {

// The type that our mounts have in the mount table.
inline constexpr std::string_view kFilesystemType = "fuse.mmapdirfs";

// One line of /proc/self/mountinfo (proc(5)).
struct MountEntry {
  std::uint64_t id;  // that no other mount has at the same time
  std::string mountpoint;
  std::string type;
  std::string source;  // fsname, for a FUSE mount
  dev_t device;
};

// The topmost mount at a path, compared as text; nothing where nothing is mounted.
Result<std::optional<MountEntry>> find_mount(std::string_view mountpoint);

// All mounts of a type, oldest first; none where the table can't be read.
std::vector<MountEntry> mounts_of_type(std::string_view type);

// Mount point and id of each mount beneath a directory, which is an absolute path without a slash
// at its end.
using MountsBeneath = std::set<std::pair<std::string, std::uint64_t>>;
Result<MountsBeneath> mounts_beneath(std::string_view directory);
MountsBeneath mounts_beneath_in(std::string_view table, std::string_view directory);

// The last line of `table` whose mount point is `mountpoint`. Apart for the tests.
std::optional<MountEntry> find_mount_in(std::string_view table, std::string_view mountpoint);

}  // namespace mmapdirfs
