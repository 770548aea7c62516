// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "fs/lru_map.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Who was told ESTALE for opening a file that has no name any more.
//
// The kernel then looks the name up anew and, if it finds one, asks once more; a second ESTALE
// would reach the program. A file that was found by that lookup is the right one, even if it has
// been replaced again in between; and since one that was deleted can't be opened by its handle,
// what lookups find is held for a moment (also those of others, whose answer a thread may share).
//
// Any thread may call.
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
    last_told_ = Clock::now();
    count_ = told->size();
  }

  // Whether somebody was told so lately that what is looked up now is to be held.
  bool holds() const { return Clock::now() - last_told_.load() < kMoment; }

  // `node` was found, by `fd` (O_PATH).
  void hold(NodeId node, SharedFd fd) {
    const auto gone = held_.lock()->insert(node, std::move(fd));
    has_held_ = true;
  }

  // Null where the node isn't held.
  SharedFd held(NodeId node) {
    auto held = held_.lock();
    const SharedFd* const found = held->find(node);
    return found == nullptr ? nullptr : *found;
  }

  void let_go_of(NodeId node) { const auto gone = held_.lock()->erase(node); }

  // The moment is over.
  void let_go_of_all() {
    if (has_held_.exchange(false)) {
      const auto gone = held_.lock()->take_all();
    }
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
  using Clock = std::chrono::steady_clock;

  struct Told {
    NodeId node;
    std::uint64_t time;
  };

  static constexpr std::size_t kMax = 4096;
  static constexpr std::size_t kMostHeld = 16;
  static constexpr std::chrono::seconds kMoment{1};

  std::atomic<std::size_t> count_ = 0;  // of told_
  mmapdir::Guarded<std::unordered_map<pid_t, Told>> told_;
  std::atomic<Clock::time_point> last_told_ = Clock::time_point() - kMoment;
  std::atomic<bool> has_held_ = false;
  mmapdir::Guarded<LruMap<NodeId, SharedFd>> held_{kMostHeld};
};

}  // namespace mmapdirfs
