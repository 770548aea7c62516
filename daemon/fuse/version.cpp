// SPDX-License-Identifier: MIT
#include "version.h"

#include "fuse/adapter.h"

namespace mmapdirfs {

std::string version_text() {
  return std::string("mmapdirfs ") + MMAPDIR_VERSION + " (libfuse " + fuse_pkgversion() + ")\n";
}

}  // namespace mmapdirfs
