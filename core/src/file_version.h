// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>

#include "file_identity.h"

namespace mmapdir {

// What fstat tells of a file that decides whether an existing mapping may stand for it.
struct FileVersion {
  FileIdentity identity;
  std::uint64_t size;
  std::timespec changed;  // ctime: no program can set it back

  static FileVersion of(const struct stat& status) {
    return {.identity = FileIdentity::of(status),
            .size = static_cast<std::uint64_t>(status.st_size),
            .changed = status.st_ctim};
  }
};

inline bool changed_at_same_time(const FileVersion& a, const FileVersion& b) {
  return a.changed.tv_sec == b.changed.tv_sec && a.changed.tv_nsec == b.changed.tv_nsec;
}

// Whether an open file keeps its (device, inode) pair to itself and its bytes in one page cache, so
// that a mapping once made shows what any later descriptor of the same identity would read.
//
// Not so on overlayfs, where the pair stays the same when a write copies the file up to another
// inode (Documentation/filesystems/overlayfs.rst, "Non-standard behavior"), nor on network and FUSE
// file systems, where the numbers are the server's. Only file systems known to be sound are
// trusted; there a mapping also has to be as old as the file's last change.
bool identity_is_pinned(int fd);

}  // namespace mmapdir
