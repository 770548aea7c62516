// SPDX-License-Identifier: MIT
#include "watch/local_file_system.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace mmapdirfs {
namespace {

// The numbers of statfs(2) and of each file system's own headers. Of ext4 and f2fs, directories
// that ignore case are left out of account: names that differ in case are forgotten only as they
// are written in the change.
constexpr std::array<std::uint32_t, 7> kLocal = {
    0x0000EF53,  // ext2, ext3, ext4
    0x58465342,  // xfs
    0x9123683E,  // btrfs
    0xF2F52010,  // f2fs
    0x01021994,  // tmpfs
    0x2FC12FC1,  // zfs
    0xCA451A4E,  // bcachefs
};

}  // namespace

bool is_local_file_system(int fd) {
  struct statfs found{};
  return ::fstatfs(fd, &found) == 0 &&
         std::ranges::find(kLocal, static_cast<std::uint32_t>(found.f_type)) != kLocal.end();
}

}  // namespace mmapdirfs
