// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <unordered_set>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// The files of which locks were ever asked for, while the kernel knows them. Any thread may call.
class FilesWithLocks {
 public:
  void note(NodeId node) {
    auto nodes = nodes_.lock();
    nodes->insert(node);
    is_empty_.store(false, std::memory_order_relaxed);
  }

  void forget(NodeId node) {
    if (!is_empty_.load(std::memory_order_relaxed)) {
      auto nodes = nodes_.lock();
      nodes->erase(node);
      is_empty_.store(nodes->empty(), std::memory_order_relaxed);
    }
  }

  bool contains(NodeId node) const {
    return !is_empty_.load(std::memory_order_relaxed) && nodes_.lock()->contains(node);
  }

 private:
  mutable mmapdir::Guarded<std::unordered_set<NodeId>> nodes_;
  std::atomic<bool> is_empty_ = true;  // of nodes_, for a look without the lock
};

}  // namespace mmapdirfs
