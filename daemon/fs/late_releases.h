// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "fs/types.h"

namespace mmapdirfs {

// Handles that may have been closed for the last time and still hold locks which only their release
// gives back (flock, and those of open file descriptions). The kernel reports each close before it
// returns, but that it was the last one only by the release, for which nobody waits. On the source
// such a lock would be free already.
//
// Any thread may call.
class LateReleases {
 public:
  // The handle's last close may be over.
  void expect(NodeId node, HandleId handle);

  // It wasn't, as the handle is used; or the release has come, and given the locks back.
  void settle(NodeId node, HandleId handle);

  bool is_expected(NodeId node) const;

  // Waits until none of the file's is expected any more. Those that don't come within `limit`
  // aren't: their handles were closed once, not for the last time.
  void await(NodeId node, std::chrono::milliseconds limit);

 private:
  using Expected = std::set<std::pair<NodeId, HandleId>>;

  bool has_any(NodeId node) const;

  mutable std::mutex mutex_;
  std::condition_variable settled_;
  Expected expected_;                  // guarded by mutex_
  std::atomic<bool> is_empty_ = true;  // of expected_, for a look without the lock
};

}  // namespace mmapdirfs
