// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>

#include "fuse/adapter.h"
#include "watch/kernel_cache.h"
#include "watch/watch_counts.h"

namespace mmapdirfs {

// Makes the kernel forget what it keeps of the mount.
//
// Pages go by a thread of this class's own. The kernel waits there for pages that are just being
// read or written, and these wait for the daemon: a thread that answers requests must not, and what
// else is to be forgotten shouldn't.
//
// Any thread may call what KernelCache doesn't restrict. The session is borrowed, until stop().
class Invalidator final : public KernelCache {
 public:
  using Done = std::function<void()>;

  Invalidator();
  Invalidator(const Invalidator&) = delete;
  Invalidator& operator=(const Invalidator&) = delete;
  ~Invalidator() override;

  // Before the first request is served.
  void attach(fuse_session* session) { session_ = session; }

  bool forget_attributes(NodeId node) override;
  void forget_pages(NodeId node) override;
  void forget_name(NodeId directory, const std::string& name) override;
  bool expire_name(NodeId directory, const std::string& name) override;
  void expire_name_again(NodeId directory, const std::string& name) override;
  void forget_listing(NodeId directory) override;
  void wait_for_lookups(NodeId directory) override;

  // Attributes and pages; what a program changed in a page by a mapping is written first. Then
  // calls `done`. Returns at once.
  void forget_pages(NodeId node, Done done);

  // Any thread may ask.
  InvalidationCounts counts() const;

  // Of a directory whose changes aren't reported: its listing is forgotten in a second. Returns at
  // once.
  void let_listing_age(NodeId directory);

  // Returns once all that was asked is done, but for what is to age. Nothing may be asked
  // afterwards.
  void stop();

 private:
  // As CachePolicy has it for names where nothing is watched.
  static constexpr std::chrono::seconds kListingAge{1};

  struct Task {
    NodeId node;
    Done done;
  };

  struct Name {
    NodeId directory;
    std::string name;
  };

  using Clock = std::chrono::steady_clock;

  // An answer takes tens of microseconds to be kept; on a busy machine that may be a time slice or
  // several.
  static constexpr std::chrono::milliseconds kSoon{20};
  static constexpr std::chrono::seconds kLater{1};

  void work();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  bool has_work() const;
  std::optional<Clock::time_point> next_due() const;
  void take_aged();
  void do_next(std::unique_lock<std::mutex>& lock);

  fuse_session* session_ = nullptr;

  std::atomic<std::uint64_t> attributes_ = 0;
  std::atomic<std::uint64_t> pages_ = 0;
  std::atomic<std::uint64_t> names_ = 0;
  std::atomic<std::uint64_t> listings_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_. Who waits for `tasks_` is a program; `stale_` waits for nobody.
  std::deque<Task> tasks_;
  std::unordered_set<NodeId> stale_;
  std::deque<std::pair<Clock::time_point, NodeId>> aging_;  // those that are due first go first
  std::unordered_set<NodeId> aging_nodes_;                  // the same
  std::deque<Name> expired_;                                // to be expired again, now
  std::multimap<Clock::time_point, Name> expiring_;         // and later
  bool stopping_ = false;

  std::thread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
