// SPDX-License-Identifier: MIT
#include "fs/slot_index.h"

#include <utility>

namespace mmapdirfs {
namespace {

constexpr unsigned kSmallest = 9;  // fills a page

}  // namespace

SlotIndex::SlotIndex() : size_bits_(kSmallest), entries_(std::size_t{1} << kSmallest) {}

void SlotIndex::insert(std::uint64_t hash, Slot slot) {
  // Probes get long beyond three quarters (linear probing; Knuth, TAOCP 3, 6.4).
  if ((used_ + 1) * 4 > entries_.size() * 3) {
    resize(size_bits_ + 1);
  }
  place({.tag = tag_of(hash), .slot = slot});
  ++used_;
}

void SlotIndex::erase(std::uint64_t hash, Slot slot) {
  const auto found = position(hash, slot);
  if (!found) {
    return;
  }
  // What follows without a gap moves up, unless that took it before its home (Knuth's Algorithm R).
  std::size_t gap = *found;
  for (std::size_t i = after(gap); entries_[i].slot != kNoSlot; i = after(i)) {
    if (distance(home_of(entries_[i].tag), i) >= distance(gap, i)) {
      entries_[gap] = entries_[i];
      gap = i;
    }
  }
  entries_[gap] = {};
  --used_;
  if (used_ * 8 < entries_.size() && size_bits_ > kSmallest) {
    resize(size_bits_ - 1);
  }
}

void SlotIndex::replace(std::uint64_t hash, Slot slot, Slot by) {
  if (const auto found = position(hash, slot)) {
    entries_[*found].slot = by;
  }
}

std::optional<std::size_t> SlotIndex::position(std::uint64_t hash, Slot slot) const {
  const std::uint32_t tag = tag_of(hash);
  for (std::size_t i = home_of(tag); entries_[i].slot != kNoSlot; i = after(i)) {
    if (entries_[i].tag == tag && entries_[i].slot == slot) {
      return i;
    }
  }
  return std::nullopt;
}

void SlotIndex::place(Entry entry) {
  std::size_t i = home_of(entry.tag);
  while (entries_[i].slot != kNoSlot) {
    i = after(i);
  }
  entries_[i] = entry;
}

void SlotIndex::resize(unsigned size_bits) {
  const Entries old = std::exchange(entries_, Entries(std::size_t{1} << size_bits));
  size_bits_ = size_bits;
  for (const Entry& entry : old) {
    if (entry.slot != kNoSlot) {
      place(entry);
    }
  }
}

}  // namespace mmapdirfs
