// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace mmapdirfs {

// A map of at most `capacity` entries that gives up what wasn't used for longest. What has to go is
// handed back, for the caller to destroy where it likes: without his lock, if he has one.
//
// A value type without synchronisation.
template <class Key, class T>
class LruMap {
 public:
  using Entries = std::list<std::pair<Key, T>>;  // most recently used first

  explicit LruMap(std::size_t capacity) : capacity_(capacity) {}

  // Null where there is none; good until the next change.
  T* find(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // Answers what `value` replaces, or the entry that makes room for it.
  std::optional<T> insert(const Key& key, T value) {
    if (T* known = find(key)) {
      return std::exchange(*known, std::move(value));
    }
    entries_.emplace_front(key, std::move(value));
    by_key_.emplace(key, entries_.begin());
    return entries_.size() > capacity_ ? erase(Key(entries_.back().first)) : std::nullopt;
  }

  std::optional<T> erase(const Key& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) {
      return std::nullopt;
    }
    std::optional<T> gone = std::move(found->second->second);
    entries_.erase(found->second);
    by_key_.erase(found);
    return gone;
  }

  // What wasn't used for longest; null where there is nothing. Good until the next change.
  const std::pair<Key, T>* oldest() const { return entries_.empty() ? nullptr : &entries_.back(); }

  // Empties the map.
  Entries take_all() {
    by_key_.clear();
    return std::exchange(entries_, {});
  }

  std::size_t size() const { return entries_.size(); }

 private:
  std::size_t capacity_;
  Entries entries_;
  std::unordered_map<Key, typename Entries::iterator> by_key_;
};

}  // namespace mmapdirfs
