// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "fs/types.h"
#include "options.h"
#include "start_error.h"

namespace mmapdirfs {

// Two directories that can be mounted one on the other.
struct MountPlan {
  std::string source;      // canonical
  std::string mountpoint;  // canonical
  UniqueFd root;           // the source, open for reading before anything can cover it
  // Asked for, or because the source is: the kernel then answers EROFS by itself.
  bool is_read_only = false;
  // What the source's own mount forbids and the options don't allow: noexec, nosuid, nodev, as
  // mount options.
  std::vector<std::string> taken_over{};
  // This very source is mounted there by us already.
  bool is_mounted = false;
};

// Checks everything that can be checked before mounting, so that a mistake gets a message rather
// than half a mount: both directories, that neither lies inside the other (the daemon would wait
// for itself), what is mounted there now, /dev/fuse, fusermount3.
std::expected<MountPlan, StartError> check_mount(const Options& options);

// The source's file system is stacked on others (overlayfs, another FUSE), which the kernel must
// be told for passthrough.
bool is_stacked(int root);

}  // namespace mmapdirfs
