// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>

namespace mmapdir {

// Which file it is, whatever its names. Only as good as long as something pins the inode (an open
// descriptor, a mapping): numbers of deleted inodes are given out again.
struct FileIdentity {
  dev_t device;
  ino_t inode;

  static FileIdentity of(const struct stat& status) {
    return {.device = status.st_dev, .inode = status.st_ino};
  }

  bool operator==(const FileIdentity&) const = default;
};

struct FileIdentityHash {
  std::size_t operator()(const FileIdentity& identity) const {
    // Few devices, many inodes: a multiplication keeps neighbouring inodes of two devices apart.
    constexpr std::size_t kGoldenRatio = 0x9E3779B97F4A7C15U;
    return std::hash<ino_t>{}(identity.inode) ^
           (std::hash<dev_t>{}(identity.device) * kGoldenRatio);
  }
};

}  // namespace mmapdir
