// SPDX-License-Identifier: MIT
#pragma once

namespace mmapdirfs {

// True where all changes are made by this machine's kernel, which reports them by the same file
// handles that name_to_handle_at(2) gives. Not so on network and cluster file systems, on another
// FUSE, or on overlayfs; unknown kinds count among these. `fd` may be O_PATH.
bool is_local_file_system(int fd);

}  // namespace mmapdirfs
