// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <unordered_map>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// The inode numbers that the mount shows. A mount has one st_dev, the source may span several file
// systems: programs that take equal (st_dev, st_ino) for a hard link (tar, cp -a, rsync -H) must
// not be fooled by two files that share a number on different devices.
//
// On the root's device the numbers are the source's own. Another device gets an index, which goes
// into the upper 16 bits; the lower 48 are its own number. Numbers of 2^48 and more, which no local
// file system hands out in practice, are hashed. Any thread may call.
class InodeNumbers {
 public:
  explicit InodeNumbers(dev_t root_device) : root_device_(root_device) {}

  std::uint64_t shown(dev_t device, std::uint64_t inode);

 private:
  const dev_t root_device_;
  mmapdir::Guarded<std::unordered_map<dev_t, std::uint64_t>> indices_;
};

}  // namespace mmapdirfs
