// SPDX-License-Identifier: MIT
#include "watch/expire_names.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "fs/file_system.h"

namespace mmapdirfs {

// Of the names that the kernel believes absent, those that are wrong are there now. Of the names
// that it believes present, each leads to a node that is known by it, but for further names of
// files that have several; these are there as well, or gone.
void expire_all_names(FileSystem& fs, KernelCache& cache) {
  constexpr std::size_t kAtOnce = 1024;  // so many names are in memory at a time
  const auto nodes = fs.known_nodes();
  for (std::size_t done = 0; done < nodes.size(); done += kAtOnce) {
    const auto some = std::span(nodes).subspan(done, std::min(kAtOnce, nodes.size() - done));
    for (const auto& [parent, name] : fs.known_names(some)) {
      cache.expire_name(parent, name);
    }
  }
  for (const NodeId directory : fs.directories_with_absences()) {
    for (const auto& name : fs.names_in(directory)) {
      cache.expire_name(directory, name);
    }
  }
}

}  // namespace mmapdirfs
