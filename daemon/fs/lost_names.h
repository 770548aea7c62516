// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

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
// Callers outside of the daemon's pid namespace all come as thread 0, so nothing links what one of
// them is told with what it asks next. Therefore, from the moment at which one of them is told
// until some time after the last, the kernel is to keep no name that it is given (see
// keeps_names()): each open then looks its name up first. So a file that was found since the first
// one was told is right for all of them.
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
    if (thread == kUnseen) {
      return way_of_unseen(*told, node, named_at);
    }
    const auto found = told->threads.find(thread);
    if (found == told->threads.end()) {
      return Way::kFirst;
    }
    if (named_at > found->second.time) {
      return Way::kByName;
    }
    return found->second.node == node ? Way::kByLink : Way::kFirst;
  }

  // `node` was last found in `parent`; `now` is the table's clock, to be asked once names aren't
  // kept any more.
  template <class Now>
  void tell(pid_t thread, NodeId node, NodeId parent, Now now) {
    auto told = told_.lock();
    last_told_ = Clock::now();
    if (thread == kUnseen) {
      return tell_unseen(*told, {.node = node, .parent = parent}, now);
    }
    if (told->threads.size() >= kMax) {
      told->threads.clear();  // that were killed before they asked again, but for a few
    }
    told->threads.insert_or_assign(thread, Told{.node = node, .time = now()});
    count_ = told->threads.size();
  }

  // Whether somebody was told so lately that what is looked up now is to be held.
  bool holds() const { return Clock::now() - last_told_.load() < kMoment; }

  // Whether the kernel may keep a name that was found just now.
  bool keeps_names() const { return Clock::now() - last_unseen_.load() >= kUnseenMoment; }

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

  // `thread` looks for a name in `directory`, as it does after it was told, if it goes by names.
  void note_lookup(pid_t thread, NodeId directory) {
    if (thread != kUnseen || unseen_count_ == 0) {
      return;  // as good as always
    }
    auto told = told_.lock();
    std::erase_if(told->unseen, [&](const Link& link) { return link.parent == directory; });
    unseen_count_ = told->unseen.size();
  }

  // `thread` has opened a file, or was told that there is no such name.
  void forget(pid_t thread) {
    if (count_ == 0 || thread == kUnseen) {
      return;  // as good as always
    }
    auto told = told_.lock();
    told->threads.erase(thread);
    count_ = told->threads.size();
  }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr pid_t kUnseen = 0;

  struct Told {
    NodeId node;
    std::uint64_t time;
  };

  // What an unseen caller was told of, which may come again without a name.
  struct Link {
    NodeId node;
    NodeId parent;
  };

  struct State {
    std::unordered_map<pid_t, Told> threads;
    std::vector<Link> unseen;
    std::uint64_t unseen_since = 0;  // when the first of them was told
  };

  Way way_of_unseen(State& told, NodeId node, std::uint64_t named_at) {
    if (keeps_names()) {
      return Way::kFirst;
    }
    if (named_at > told.unseen_since) {
      return Way::kByName;
    }
    const auto link = std::ranges::find(told.unseen, node, &Link::node);
    if (link == told.unseen.end()) {
      return Way::kFirst;
    }
    told.unseen.erase(link);  // good for one open
    unseen_count_ = told.unseen.size();
    return Way::kByLink;
  }

  // What is found later than the time that `now` answers is told with keeps_names() false.
  template <class Now>
  void tell_unseen(State& told, Link link, Now now) {
    const bool is_first = keeps_names();
    last_unseen_ = Clock::now();
    if (is_first) {
      told.unseen_since = now();
      told.unseen.clear();
    }
    if (told.unseen.size() >= kMostLinks) {
      told.unseen.erase(told.unseen.begin());
    }
    told.unseen.push_back(link);
    unseen_count_ = told.unseen.size();
  }

  static constexpr std::size_t kMax = 4096;
  static constexpr std::size_t kMostLinks = 64;
  static constexpr std::size_t kMostHeld = 64;
  static constexpr std::chrono::seconds kMoment{1};
  // Longer than anybody takes from being told to asking again.
  static constexpr std::chrono::seconds kUnseenMoment{10};

  std::atomic<std::size_t> count_ = 0;         // of told_'s threads
  std::atomic<std::size_t> unseen_count_ = 0;  // of its unseen
  mmapdir::Guarded<State> told_;
  std::atomic<Clock::time_point> last_told_ = Clock::time_point() - kMoment;
  std::atomic<Clock::time_point> last_unseen_ = Clock::time_point() - kUnseenMoment;
  std::atomic<bool> has_held_ = false;
  mmapdir::Guarded<LruMap<NodeId, SharedFd>> held_{kMostHeld};
};

}  // namespace mmapdirfs
