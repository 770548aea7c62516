// SPDX-License-Identifier: MIT
#include "fs/late_releases.h"

namespace mmapdirfs {

void LateReleases::expect(NodeId node, HandleId handle) {
  const std::scoped_lock lock(mutex_);
  expected_.emplace(node, handle);
  is_empty_.store(false, std::memory_order_relaxed);
}

void LateReleases::settle(NodeId node, HandleId handle) {
  if (is_empty_.load(std::memory_order_relaxed)) {
    return;
  }
  const std::scoped_lock lock(mutex_);
  if (expected_.erase({node, handle}) != 0) {
    is_empty_.store(expected_.empty(), std::memory_order_relaxed);
    settled_.notify_all();
  }
}

bool LateReleases::is_expected(NodeId node) const {
  if (is_empty_.load(std::memory_order_relaxed)) {
    return false;
  }
  const std::scoped_lock lock(mutex_);
  return has_any(node);
}

void LateReleases::await(NodeId node, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!settled_.wait_for(lock, limit, [&] { return !has_any(node); })) {
    std::erase_if(expected_, [&](const auto& each) { return each.first == node; });
    is_empty_.store(expected_.empty(), std::memory_order_relaxed);
    settled_.notify_all();
  }
}

// mutex_ is held.
bool LateReleases::has_any(NodeId node) const {
  const auto first = expected_.lower_bound({node, HandleId{}});
  return first != expected_.end() && first->first == node;
}

}  // namespace mmapdirfs
