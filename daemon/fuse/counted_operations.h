// SPDX-License-Identifier: MIT
#pragma once

#include "fuse/adapter.h"

namespace mmapdirfs {

// The same operations, each counted once it is answered. For a session whose user data is a Link
// that holds the given ones.
fuse_lowlevel_ops counted(const fuse_lowlevel_ops& operations);

}  // namespace mmapdirfs
