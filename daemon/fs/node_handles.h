// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>

#include "fs/lru_map.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

class FileSystem;

// Handles for requests that carry none, since the kernel opens without a message: a node's file or
// directory is opened for reading when it is first asked for, and released when others were used
// later or the kernel forgets the node.
//
// Borrows the file system. Any thread may call.
class NodeHandles {
 public:
  // Released once it is neither in use nor among the handles kept.
  using Shared = std::shared_ptr<const HandleId>;

  // How many of each are kept at most.
  struct Capacities {
    std::size_t files;
    std::size_t directories;
  };

  NodeHandles(FileSystem& fs, const Capacities& capacities)
      : fs_(fs), files_(capacities.files), directories_(capacities.directories) {}

  Result<Shared> file(NodeId node, OnLease on_lease = OnLease::kFail);
  Result<Shared> directory(NodeId node);
  void drop(NodeId node);
  void drop_directory(NodeId node);

 private:
  using Handles = mmapdir::Guarded<LruMap<NodeId, Shared>>;

  FileSystem& fs_;
  Handles files_;
  Handles directories_;
};

}  // namespace mmapdirfs
