// SPDX-License-Identifier: MIT
#pragma once

#include "watch/kernel_cache.h"

namespace mmapdirfs {

class FileSystem;

// Has the kernel ask for every name of the mount again, when it is used next, that was there or
// wasn't; from a thread that may call KernelCache.
//
// Name by name. The kernel could drop all of them at once (the epoch of FUSE, Linux 6.16), and
// would detach with them whatever is mounted within the mount, in mount namespaces that the daemon
// can't see as well.
void expire_all_names(FileSystem& fs, KernelCache& cache);

}  // namespace mmapdirfs
