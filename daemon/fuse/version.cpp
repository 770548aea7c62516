// SPDX-License-Identifier: MIT
#include "version.h"

#include "fuse/adapter.h"

namespace mmapdirfs {

Versions versions() { return {.mmapdirfs = MMAPDIR_VERSION, .libfuse = fuse_pkgversion()}; }

std::string version_text() {
  const auto [mmapdirfs, libfuse] = versions();
  return "mmapdirfs " + mmapdirfs + " (libfuse " + libfuse + ")\n";
}

}  // namespace mmapdirfs
