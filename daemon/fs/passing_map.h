// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "fs/lru_map.h"

namespace mmapdirfs {

// A map of what is kept for a moment only: besides what an LruMap gives up, take_unused_since()
// takes out what is to go by its age.
//
// A value type without synchronisation.
template <class Key, class T>
class PassingMap {
 public:
  using Clock = std::chrono::steady_clock;

  explicit PassingMap(std::size_t capacity) : entries_(capacity) {}

  // Null where there is none; good until the next change. Finding is using.
  T* find(const Key& key) {
    Used* const found = entries_.find(key);
    if (found == nullptr) {
      return nullptr;
    }
    found->at = Clock::now();
    return &found->value;
  }

  // Answers what `value` replaces, or the entry that makes room for it.
  std::optional<T> insert(const Key& key, T value) {
    return value_of(entries_.insert(key, {.value = std::move(value), .at = Clock::now()}));
  }

  std::optional<T> erase(const Key& key) { return value_of(entries_.erase(key)); }

  std::vector<T> take_unused_since(Clock::time_point moment) {
    std::vector<T> taken;
    for (const auto* oldest = entries_.oldest(); oldest != nullptr && oldest->second.at < moment;
         oldest = entries_.oldest()) {
      if (auto gone = entries_.erase(Key(oldest->first))) {
        taken.push_back(std::move(gone->value));
      }
    }
    return taken;
  }

  std::vector<T> take_all() { return take_unused_since(Clock::time_point::max()); }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Used {
    T value;
    Clock::time_point at;
  };

  static std::optional<T> value_of(std::optional<Used> used) {
    return used ? std::optional(std::move(used->value)) : std::nullopt;
  }

  LruMap<Key, Used> entries_;
};

}  // namespace mmapdirfs
