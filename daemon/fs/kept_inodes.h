// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "fs/caller.h"
#include "fs/lru_map.h"
#include "fs/open_inode.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Inodes that nobody has open at the moment, kept as they were so that opening them again costs no
// system call but one: descriptor, and registration for passthrough. A deleted file's blocks are
// free only once it is dropped from here, so keep only what the kernel forgets in that case.
//
// Any thread may call.
class KeptInodes {
 public:
  // An inode costs a descriptor here, and of a passthrough file another one in the kernel.
  explicit KeptInodes(std::size_t capacity) : inodes_(capacity) {}

  void keep(NodeId node, std::shared_ptr<OpenInode> inode) {
    const auto gone = inodes_.lock()->insert(node, std::move(inode));
  }

  // What was kept of the node, for `opener` to use; null where there is nothing. What was kept for
  // somebody else doesn't serve him: a passthrough file is written with its first opener's rights.
  std::shared_ptr<OpenInode> take(NodeId node, const Caller& opener) {
    auto kept = inodes_.lock()->erase(node);
    return kept && (*kept)->was_opened_by(opener) ? std::move(*kept) : nullptr;
  }

  void drop(NodeId node) { const auto gone = inodes_.lock()->erase(node); }
  void drop_all() { const auto gone = inodes_.lock()->take_all(); }

 private:
  mmapdir::Guarded<LruMap<NodeId, std::shared_ptr<OpenInode>>> inodes_;
};

}  // namespace mmapdirfs
