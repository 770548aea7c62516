// SPDX-License-Identifier: MIT
// Which bytes are locked by way of which handle.
#include "fs/locked_ranges.h"

#include <catch2/catch_test_macros.hpp>

namespace mmapdirfs::test {
namespace {

constexpr HandleId kFirst{1};
constexpr HandleId kSecond{2};

using Ranges = std::vector<LockedRange>;

struct flock lock_on(off_t start, off_t length) {
  struct flock lock{};
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

TEST_CASE("A lock's bytes are both ends and all between", "[locked_ranges]") {
  CHECK(LockedRange::of(lock_on(10, 5)) == LockedRange{.first = 10, .last = 14});
  CHECK(LockedRange::of(lock_on(0, 0)) == kWholeFile);
  CHECK(LockedRange::of(lock_on(7, 0)) == LockedRange{.first = 7, .last = kWholeFile.last});
  CHECK(LockedRange::of(lock_on(kWholeFile.last, 1)) ==
        LockedRange{.first = kWholeFile.last, .last = kWholeFile.last});
}

TEST_CASE("A range is given to fcntl as it came", "[locked_ranges]") {
  for (const auto& [start, length] : {std::pair<off_t, off_t>{10, 5}, {0, 0}, {7, 0}}) {
    const struct flock lock = LockedRange::of(lock_on(start, length)).lock_of_type(F_UNLCK);
    CHECK(lock.l_type == F_UNLCK);
    CHECK(lock.l_whence == SEEK_SET);
    CHECK(lock.l_start == start);
    CHECK(lock.l_len == length);
  }
}

TEST_CASE("Bytes belong to the handle by which they were locked last", "[locked_ranges]") {
  LockedRanges ranges;
  ranges.add({.first = 0, .last = 99}, kFirst);
  ranges.add({.first = 40, .last = 59}, kSecond);
  CHECK(ranges.take(kSecond) == Ranges{{.first = 40, .last = 59}});
  CHECK(ranges.take(kFirst) == Ranges{{.first = 0, .last = 39}, {.first = 60, .last = 99}});
  CHECK(ranges.empty());
}

TEST_CASE("Bytes that are given back belong to nobody", "[locked_ranges]") {
  LockedRanges ranges;
  ranges.add({.first = 0, .last = 9}, kFirst);
  ranges.add({.first = 20, .last = 29}, kSecond);
  ranges.add({.first = 40, .last = kWholeFile.last}, kFirst);
  ranges.remove({.first = 5, .last = 49});
  CHECK(ranges.take(kSecond).empty());
  CHECK(ranges.take(kFirst) ==
        Ranges{{.first = 0, .last = 4}, {.first = 50, .last = kWholeFile.last}});

  ranges.add({.first = 3, .last = 3}, kFirst);
  ranges.remove({.first = 4, .last = kWholeFile.last});
  CHECK_FALSE(ranges.empty());
  ranges.remove(kWholeFile);
  CHECK(ranges.empty());
}

}  // namespace
}  // namespace mmapdirfs::test
