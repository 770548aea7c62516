// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "control/command_table.h"
#include "fs/file_system.h"
#include "mmapdir/mapping_cache.h"
#include "version.h"

namespace mmapdirfs {

// What makes the kernel forget what it keeps of the mount.
struct KernelForgetting {
  // The node's attributes and pages; `done` is called by a thread that forgets nothing else
  // meanwhile. Returns at once.
  std::function<void(NodeId node, std::function<void()> done)> forget_pages;
  // Has every name asked for again.
  std::function<void()> expire_all_names;
};

// `version`, `log-level` and `clear-cache`. Borrows the cache and the file system.
void add_mount_commands(CommandTable& table, const Versions& versions, mmapdir::MappingCache& cache,
                        FileSystem& fs, const KernelForgetting& kernel);

}  // namespace mmapdirfs
