// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Who was told ESTALE for opening a file that has no name any more.
//
// The kernel then looks the name up anew and, if it finds one, asks once more; a second ESTALE
// would reach the program. A file that was found by that lookup is the right one, even if it has
// been replaced again in between. Any thread may call.
class LostNames {
 public:
  enum class Way {
    kFirst,   // `thread` wasn't told
    kByName,  // it was, and the node that it comes with now was found since then
    kByLink,  // it was of this node, which it reaches without a name: /proc/PID/fd/N
  };

  // How `thread` comes to open `node`. Times are the inode table's (InodeTable::named_at).
  Way way_of(pid_t thread, NodeId node, std::uint64_t named_at) {
    auto told = told_.lock();
    const auto found = told->find(thread);
    if (found == told->end()) {
      return Way::kFirst;
    }
    if (named_at > found->second.time) {
      return Way::kByName;
    }
    return found->second.node == node ? Way::kByLink : Way::kFirst;
  }

  void tell(pid_t thread, NodeId node, std::uint64_t now) {
    auto told = told_.lock();
    if (told->size() >= kMax) {
      told->clear();  // threads that were killed before they asked again, but for a few
    }
    told->insert_or_assign(thread, Told{.node = node, .time = now});
    count_ = told->size();
  }

  // `thread` has opened a file, or was told that there is no such name.
  void forget(pid_t thread) {
    if (count_ == 0) {
      return;  // as good as always
    }
    auto told = told_.lock();
    told->erase(thread);
    count_ = told->size();
  }

 private:
  struct Told {
    NodeId node;
    std::uint64_t time;
  };

  static constexpr std::size_t kMax = 4096;

  std::atomic<std::size_t> count_ = 0;  // of told_
  mmapdir::Guarded<std::unordered_map<pid_t, Told>> told_;
};

}  // namespace mmapdirfs
