// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "fs/lru_map.h"
#include "fs/passing_map.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

class FileSystem;

// Handles for requests that carry none, since the kernel opens without a message: a node's file or
// directory is opened for reading when it is first asked for, and released when others were used
// later or the kernel forgets the node. On a file system inside the source they are held for a
// moment only, by note to the file system's HoldNotice: nobody could unmount that.
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
      : fs_(fs), files_(Kept(capacities.files)), directories_(Kept(capacities.directories)) {}

  Result<Shared> file(NodeId node, OnLease on_lease = OnLease::kFail);
  Result<Shared> directory(NodeId node);
  void drop(NodeId node);
  void drop_directory(NodeId node);

  // Releases those on file systems inside the source that weren't used since then. Whether others
  // are left.
  bool let_go_of_nested(std::chrono::steady_clock::time_point unused_since);

 private:
  struct Kept {
    explicit Kept(std::size_t capacity) : handles(capacity), nested(capacity) {}

    LruMap<NodeId, Shared> handles;
    PassingMap<NodeId, Shared> nested;
  };
  using Handles = mmapdir::Guarded<Kept>;

  template <class Open>
  Result<Shared> find_or_open(Handles& handles, NodeId node, Open open);
  void keep(Handles& handles, NodeId node, const Shared& opened);
  static bool let_go_of_nested(Handles& handles,
                               std::chrono::steady_clock::time_point unused_since);
  static void drop(Handles& handles, NodeId node);

  FileSystem& fs_;
  Handles files_;
  Handles directories_;
};

}  // namespace mmapdirfs
