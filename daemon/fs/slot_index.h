// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fs/page_allocator.h"

namespace mmapdirfs {

// Finds the records of a table by a hash of one of their fields: an open-addressing hash table of
// slots, where a slot says where in the caller's table the record is. It holds no keys, so a record
// has as many indexes as it likes at some twenty bytes each, and several records may have one hash.
// Memory goes back to the kernel when slots go.
//
// Only a hash's upper half is used, which must be spread well. Not for several threads at once.
class SlotIndex {
 public:
  using Slot = std::uint32_t;

  SlotIndex();

  // The first slot under the hash that `matches` (Slot -> bool) takes. It is asked about slots of
  // other hashes too, though rarely, and so has to compare the whole key.
  template <class Matches>
  std::optional<Slot> find(std::uint64_t hash, Matches matches) const {
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = home_of(tag); entries_[i].slot != kNoSlot; i = after(i)) {
      if (entries_[i].tag == tag && matches(entries_[i].slot)) {
        return entries_[i].slot;
      }
    }
    return std::nullopt;
  }

  void insert(std::uint64_t hash, Slot slot);

  // These do nothing where the slot isn't there under the hash.
  void erase(std::uint64_t hash, Slot slot);
  void replace(std::uint64_t hash, Slot slot, Slot by);

 private:
  static constexpr Slot kNoSlot = 0xFFFF'FFFF;

  struct Entry {
    std::uint32_t tag = 0;
    Slot slot = kNoSlot;
  };
  using Entries = std::vector<Entry, PageAllocator<Entry>>;

  static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32U);
  }

  // Entries are kept in the order of their tags, but for collisions.
  std::size_t home_of(std::uint32_t tag) const { return tag >> (32U - size_bits_); }
  std::size_t after(std::size_t i) const { return (i + 1) & (entries_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const {
    return (to - from) & (entries_.size() - 1);
  }

  std::optional<std::size_t> position(std::uint64_t hash, Slot slot) const;
  void place(Entry entry);
  void resize(unsigned size_bits);

  unsigned size_bits_;
  Entries entries_;  // always with room for one more
  std::size_t used_ = 0;
};

}  // namespace mmapdirfs
