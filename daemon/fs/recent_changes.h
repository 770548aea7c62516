// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

#include "fs/lru_map.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Files whose bytes others have just changed on the source.
//
// Any thread may call.
class RecentChanges {
 public:
  using Clock = std::chrono::steady_clock;

  void note(NodeId node) { changed_.lock()->insert(node, Clock::now()); }

  bool contains(NodeId node) {
    auto changed = changed_.lock();
    const auto* time = changed->find(node);
    return time != nullptr && Clock::now() - *time < kRecent;
  }

 private:
  // So long a file is taken to be still in its writer's hands. So many of them are remembered; a
  // writer has few at a time.
  static constexpr std::chrono::seconds kRecent{1};
  static constexpr std::size_t kMost = 1024;

  mmapdir::Guarded<LruMap<NodeId, Clock::time_point>> changed_{kMost};
};

}  // namespace mmapdirfs
