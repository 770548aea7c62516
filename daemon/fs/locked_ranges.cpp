// SPDX-License-Identifier: MIT
#include "fs/locked_ranges.h"

namespace mmapdirfs {
namespace {

constexpr off_t kLastOffset = kWholeFile.last;

}  // namespace

LockedRange LockedRange::of(const struct flock& lock) {
  const bool is_open_ended = lock.l_len == 0 || lock.l_len > kLastOffset - lock.l_start;
  return {.first = lock.l_start,
          .last = is_open_ended ? kLastOffset : lock.l_start + lock.l_len - 1};
}

struct flock LockedRange::lock_of_type(short type) const {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = first;
  lock.l_len = last == kLastOffset ? 0 : last - first + 1;
  return lock;
}

void LockedRanges::add(const LockedRange& range, HandleId handle) {
  remove(range);
  by_first_.emplace(range.first, Rest{.last = range.last, .handle = handle});
}

void LockedRanges::remove(const LockedRange& range) {
  auto next = by_first_.upper_bound(range.first);
  if (next != by_first_.begin()) {
    --next;
  }
  while (next != by_first_.end() && next->first <= range.last) {
    const auto [first, rest] = *next;
    if (rest.last < range.first) {
      ++next;
      continue;
    }
    next = by_first_.erase(next);
    if (first < range.first) {
      by_first_.emplace(first, Rest{.last = range.first - 1, .handle = rest.handle});
    }
    if (rest.last > range.last) {
      by_first_.emplace(range.last + 1, rest);
    }
  }
}

std::vector<LockedRange> LockedRanges::take(HandleId handle) {
  std::vector<LockedRange> taken;
  std::erase_if(by_first_, [&](const auto& each) {
    const auto& [first, rest] = each;
    if (rest.handle == handle) {
      taken.push_back({.first = first, .last = rest.last});
    }
    return rest.handle == handle;
  });
  return taken;
}

}  // namespace mmapdirfs
