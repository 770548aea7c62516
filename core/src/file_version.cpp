// SPDX-License-Identifier: MIT
#include "file_version.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

namespace mmapdir {
namespace {

// Those which linux/magic.h doesn't name, from fs/*/ of the kernel and of OpenZFS.
constexpr long kBcachefs = 0xca451a4e;
constexpr long kZfs = 0x2fc12fc1;

constexpr std::array<long, 8> kLocalFileSystems = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
    RAMFS_MAGIC,      F2FS_SUPER_MAGIC, kBcachefs,         kZfs,
};

}  // namespace

bool identity_is_pinned(int fd) {
  struct statfs file_system{};
  return ::fstatfs(fd, &file_system) == 0 &&
         std::ranges::find(kLocalFileSystems, file_system.f_type) != kLocalFileSystems.end();
}

}  // namespace mmapdir
