// SPDX-License-Identifier: MIT
#include "fs/inode_numbers.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <set>
#include <utility>

namespace mmapdirfs::test {
namespace {

constexpr std::uint64_t kFirstFree = std::uint64_t{1} << 31U;
constexpr dev_t kRoot = 5;

TEST_CASE("No two files of several file systems have one number", "[numbers]") {
  InodeNumbers numbers(kRoot, kFirstFree);
  std::set<std::pair<dev_t, std::uint64_t>> files;
  constexpr dev_t kDevices = 100;  // more than there are windows
  for (dev_t device = 0; device < kDevices; ++device) {
    // Small numbers, those at the borders of windows, and large ones.
    for (unsigned bits = 0; bits < 48; ++bits) {
      const std::uint64_t number = std::uint64_t{1} << bits;
      files.insert({device, number});
      files.insert({device, number - 1});
      files.insert({device, number + 1});
    }
  }
  std::set<std::uint64_t> shown;
  for (const auto& [device, inode] : files) {
    shown.insert(numbers.shown(device, inode));
  }
  CHECK(shown.size() == files.size());
}

TEST_CASE("Numbers fit into 32 bits where the file system's own do", "[numbers]") {
  InodeNumbers numbers(kRoot, kFirstFree);
  CHECK(numbers.shown(kRoot, kFirstFree - 1) == kFirstFree - 1);
  CHECK(numbers.shown(kRoot, std::uint64_t{1} << 33U) == std::uint64_t{1} << 33U);
  for (dev_t device = 10; device < 30; ++device) {
    CHECK(numbers.shown(device, 12) < (std::uint64_t{1} << 32U));
    CHECK(numbers.shown(device, 12) >= kFirstFree);
  }
}

TEST_CASE("Where the root may have any number, the others are beyond 48 bits", "[numbers]") {
  InodeNumbers numbers(kRoot);
  CHECK(numbers.shown(kRoot, 0xffff'fff0) == 0xffff'fff0);
  CHECK(numbers.shown(kRoot + 1, 12) == ((std::uint64_t{1} << 48U) | 12));
}

}  // namespace
}  // namespace mmapdirfs::test
