// SPDX-License-Identifier: MIT
#pragma once

namespace mmapdirfs {

// Takes flags off `fd` that the source's open has allowed, but that aren't the daemon's to go by;
// `flags` are those of the open. O_DIRECT: requests arrive in buffers that aren't aligned for it.
// O_APPEND: the program may have taken it back, and what it writes through a mapping goes where it
// was mapped from; each write says whether to append.
void drop_followed_flags(int fd, int flags);

// The source doesn't let O_APPEND be dropped where a file's attributes allow nothing but appending.
bool keeps_append(int fd, int flags);

}  // namespace mmapdirfs
