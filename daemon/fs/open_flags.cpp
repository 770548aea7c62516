// SPDX-License-Identifier: MIT
#include "fs/open_flags.h"

#include <fcntl.h>

namespace mmapdirfs {

void drop_followed_flags(int fd, int flags) {
  if ((flags & O_DIRECT) != 0) {
    flags &= ~O_DIRECT;
    ::fcntl(fd, F_SETFL, flags);  // clearing it can't fail
  }
  if ((flags & O_APPEND) != 0) {
    ::fcntl(fd, F_SETFL, flags & ~O_APPEND);  // see keeps_append()
  }
}

bool keeps_append(int fd, int flags) {
  return (flags & O_APPEND) != 0 && (::fcntl(fd, F_GETFL) & O_APPEND) != 0;
}

}  // namespace mmapdirfs
