// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <unordered_map>

#include "support/guarded.h"

namespace mmapdir {

// A mutex per key that exists only while somebody holds or awaits it.
//
//   const auto turn = turns_.lock(key);   // held until `turn` goes out of scope
template <class Key, class Hash = std::hash<Key>>
class KeyedMutex {
 private:
  struct Slot {
    std::mutex mutex;
    std::size_t users = 0;  // guarded by the table's mutex, not by this one
  };

 public:
  class [[nodiscard]] Turn {
   public:
    Turn(KeyedMutex& owner, const Key& key, Slot& slot) : owner_(&owner), key_(key), slot_(&slot) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      slot_->mutex.unlock();
      owner_->leave(key_, *slot_);
    }

   private:
    KeyedMutex* owner_;
    Key key_;
    Slot* slot_;
  };

  Turn lock(const Key& key) {
    Slot& slot = enter(key);
    slot.mutex.lock();
    return Turn(*this, key, slot);
  }

 private:
  Slot& enter(const Key& key) {
    auto slots = slots_.lock();
    Slot& slot = (*slots)[key];
    ++slot.users;
    return slot;
  }

  void leave(const Key& key, Slot& slot) {
    auto slots = slots_.lock();
    if (--slot.users == 0) {
      slots->erase(key);
    }
  }

  Guarded<std::unordered_map<Key, Slot, Hash>> slots_;
};

}  // namespace mmapdir
