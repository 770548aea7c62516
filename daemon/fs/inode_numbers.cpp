// SPDX-License-Identifier: MIT
#include "fs/inode_numbers.h"

#include <functional>

namespace mmapdirfs {

std::uint64_t InodeNumbers::shown(dev_t device, std::uint64_t inode) {
  if (device == root_device_) {
    return inode;
  }
  auto indices = indices_.lock();
  const std::uint64_t index = indices->try_emplace(device, indices->size() + 1).first->second;
  constexpr unsigned kIndexShift = 48;
  const bool fits = (inode >> kIndexShift) == 0 && (index >> (64 - kIndexShift)) == 0;
  return fits ? inode | (index << kIndexShift)
              : std::hash<SourceIdentity>{}({.device = device, .inode = inode});
}

}  // namespace mmapdirfs
