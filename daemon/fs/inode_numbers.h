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
// On the root's device the numbers are the source's own. Those of the other devices should fit into
// 32 bits where their own do, or a program of 32 bits can't stat the file: where it is known below
// which number the root's stay, each of the first devices gets a window of 2^26 numbers above it. A
// device's other numbers get its index in the upper 16 bits, above 48 for the number itself; so
// does what a root's file system that has grown since comes to hand out within the windows, with an
// index that no device has. Numbers of 2^48 and more, which no local file system hands out in
// practice, are hashed. Any thread may call.
class InodeNumbers {
 public:
  // The root's numbers are below `first_free`; 2^32 or more leaves no windows.
  explicit InodeNumbers(dev_t root_device, std::uint64_t first_free = kNoWindows)
      : root_device_(root_device), first_free_(first_free) {}

  std::uint64_t shown(dev_t device, std::uint64_t inode);

  static constexpr std::uint64_t kNoWindows = std::uint64_t{1} << 32U;

 private:
  const dev_t root_device_;
  const std::uint64_t first_free_;
  mmapdir::Guarded<std::unordered_map<dev_t, std::uint64_t>> indices_;
};

// The first number that the file system of `root` won't hand out as it is now.
std::uint64_t first_free_number(int root);

}  // namespace mmapdirfs
