// SPDX-License-Identifier: MIT
#include "fs/inode_numbers.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <functional>

namespace mmapdirfs {
namespace {

constexpr unsigned kIndexShift = 48;
constexpr std::uint64_t kRootIndex = 0xffff;  // no other device's
constexpr std::uint64_t kWindow = std::uint64_t{1} << 26U;
constexpr std::uint64_t kHalf = std::uint64_t{1} << 31U;

std::uint64_t indexed(dev_t device, std::uint64_t index, std::uint64_t inode) {
  return (inode >> kIndexShift) == 0
             ? inode | (index << kIndexShift)
             : std::hash<SourceIdentity>{}({.device = device, .inode = inode});
}

}  // namespace

std::uint64_t InodeNumbers::shown(dev_t device, std::uint64_t inode) {
  if (device == root_device_) {
    const bool is_in_window = inode >= first_free_ && inode < kNoWindows;
    return is_in_window ? indexed(device, kRootIndex, inode) : inode;
  }
  auto indices = indices_.lock();
  const std::uint64_t index = indices->try_emplace(device, indices->size() + 1).first->second;
  const std::uint64_t window = first_free_ + ((index - 1) * kWindow);
  if (inode < kWindow && window + kWindow <= kNoWindows) {
    return window + inode;
  }
  return index < kRootIndex ? indexed(device, index, inode)
                            : std::hash<SourceIdentity>{}({.device = device, .inode = inode});
}

// ext2 to ext4 number their inodes from 1 to as many as there are. tmpfs and btrfs count up.
std::uint64_t first_free_number(int root) {
  struct statfs found{};
  if (::fstatfs(root, &found) != 0) {
    return InodeNumbers::kNoWindows;
  }
  switch (found.f_type) {
    case EXT4_SUPER_MAGIC:
      return std::max(static_cast<std::uint64_t>(found.f_files) + 1, kHalf);
    case TMPFS_MAGIC:
    case BTRFS_SUPER_MAGIC:
      return kHalf;
    default:
      return InodeNumbers::kNoWindows;
  }
}

}  // namespace mmapdirfs
