// SPDX-License-Identifier: MIT
#include "fs/slot_index.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace mmapdirfs::test {
namespace {

using Slot = SlotIndex::Slot;

std::set<Slot> slots_under(const SlotIndex& index, std::uint64_t hash) {
  std::set<Slot> slots;
  index.find(hash, [&](Slot slot) {
    slots.insert(slot);
    return false;
  });
  return slots;
}

// An index and what has to be in it.
class Twin {
 public:
  void insert(std::uint64_t hash) {
    index_.insert(hash, next_);
    model_[hash].insert(next_);
    present_.emplace_back(hash, next_++);
  }

  void erase_any() {
    const auto [hash, slot] = take_any();
    index_.erase(hash, slot);
    model_[hash].erase(slot);
  }

  void replace_any() {
    const auto [hash, slot] = take_any();
    index_.replace(hash, slot, next_);
    model_[hash].erase(slot);
    model_[hash].insert(next_);
    present_.emplace_back(hash, next_++);
  }

  std::size_t size() const { return present_.size(); }

  bool is_true() const {
    return std::ranges::all_of(model_, [&](const auto& entry) {
      return slots_under(index_, entry.first) == entry.second;
    });
  }

  std::mt19937_64& random() { return random_; }

 private:
  std::pair<std::uint64_t, Slot> take_any() {
    std::swap(present_[random_() % present_.size()], present_.back());
    const auto taken = present_.back();
    present_.pop_back();
    return taken;
  }

  SlotIndex index_;
  std::map<std::uint64_t, std::set<Slot>> model_;
  std::vector<std::pair<std::uint64_t, Slot>> present_;
  Slot next_ = 0;
  std::mt19937_64 random_{7};  // NOLINT(bugprone-random-generator-seed): the same steps each time
};

TEST_CASE("A slot is found under its hash and no other", "[slot_index]") {
  SlotIndex index;
  index.insert(1ULL << 40U, 5);
  CHECK(slots_under(index, 1ULL << 40U) == std::set<Slot>{5});
  CHECK(slots_under(index, 2ULL << 40U).empty());
}

TEST_CASE("What isn't there is neither erased nor replaced", "[slot_index]") {
  SlotIndex index;
  index.insert(1ULL << 40U, 5);
  index.erase(1ULL << 40U, 6);
  index.erase(2ULL << 40U, 5);
  index.replace(1ULL << 40U, 6, 7);
  CHECK(slots_under(index, 1ULL << 40U) == std::set<Slot>{5});
}

// All hashes lie at the end of the table, so that runs are long and go round.
TEST_CASE("Slots whose hashes collide stay found whichever of them go", "[slot_index]") {
  Twin twin;
  for (int step = 0; step < 3'000; ++step) {
    if (twin.size() < 100 || (twin.size() < 300 && twin.random()() % 2 == 0)) {
      twin.insert((0xFFFF'FFFFULL - (twin.random()() % 40)) << 32U);
    } else if (twin.random()() % 2 == 0) {
      twin.erase_any();
    } else {
      twin.replace_any();
    }
    REQUIRE(twin.is_true());
  }
}

TEST_CASE("An index grows and shrinks with what is in it", "[slot_index]") {
  Twin twin;
  for (const std::size_t size : {20'000U, 10U, 5'000U, 1U}) {
    while (twin.size() < size) {
      twin.insert(twin.random()());
    }
    while (twin.size() > size) {
      twin.erase_any();
    }
    CHECK(twin.is_true());
  }
}

}  // namespace
}  // namespace mmapdirfs::test
