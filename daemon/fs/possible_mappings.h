// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <unordered_map>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Files in passthrough that programs may have mapped for writing. A store through such a mapping
// moves the file's times on the source, and reaches nobody but the kernel; neither does msync,
// since the mapping is one of the kernel's own file there. So attributes of these files must not be
// kept.
//
// A mapping takes a handle that reads and writes, and may outlive it. It holds the kernel's own
// file of that handle, whose close the source reports (FAN_CLOSE_WRITE) where it is watched. Once
// as many closes were reported as handles were opened, no mapping is left. Reports that are lost,
// or that fanotify made one of, leave a file here until the kernel forgets it. Another writer's
// close on the source counts as well: it can't be told from these.
//
// Any thread may call.
class PossibleMappings {
 public:
  // A handle that may be mapped was opened. Answers whether it is the first.
  bool note_open(NodeId node) {
    auto files = files_.lock();
    auto& file = (*files)[node];
    ++file.open;
    size_.store(files->size(), std::memory_order_relaxed);
    return ++file.opened == 1;
  }

  // Its last close on the mount.
  void note_close(NodeId node) {
    change(node, [](File& file) { --file.open; });
  }

  // Others closed a file that they could write on the source, so often.
  void note_reports(NodeId node, std::uint64_t count) {
    change(node, [count](File& file) { file.reported += count; });
  }

  // The kernel has forgotten the node, which no mapping is left of then.
  void forget(NodeId node) {
    if (!is_empty()) {
      auto files = files_.lock();
      files->erase(node);
      size_.store(files->size(), std::memory_order_relaxed);
    }
  }

  bool contains(NodeId node) const { return !is_empty() && files_.lock()->contains(node); }

 private:
  struct File {
    std::uint64_t open = 0;      // handles at this moment
    std::uint64_t opened = 0;    // handles ever
    std::uint64_t reported = 0;  // closes
  };

  bool is_empty() const { return size_.load(std::memory_order_relaxed) == 0; }

  template <class Change>
  void change(NodeId node, Change change) {
    if (is_empty()) {
      return;
    }
    auto files = files_.lock();
    const auto found = files->find(node);
    if (found == files->end()) {
      return;
    }
    change(found->second);
    if (found->second.open == 0 && found->second.reported >= found->second.opened) {
      files->erase(found);
      size_.store(files->size(), std::memory_order_relaxed);
    }
  }

  mutable mmapdir::Guarded<std::unordered_map<NodeId, File>> files_;
  std::atomic<std::size_t> size_ = 0;  // of files_, for a look without the lock
};

}  // namespace mmapdirfs
