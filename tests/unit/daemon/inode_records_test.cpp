// SPDX-License-Identifier: MIT
#include "fs/inode_records.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <ranges>
#include <string>
#include <vector>

namespace mmapdirfs::test {
namespace {

InodeRecord record_of(std::uint64_t number) {
  return {
      .node = NodeId{number},
      .identity = {.device = 7, .inode = number},
      .locator = {.key = std::string(number % 60, 'n'),
                  .handle_hash = ((number / 2) + 1) * 0x9E3779B97F4A7C15ULL},  // each that of two
      .birth = static_cast<std::int64_t>(number)};
}

bool is_known(InodeRecords& records, std::uint64_t number) {
  const InodeRecord expected = record_of(number);
  const InodeRecord* by_node = records.find(expected.node);
  const InodeRecord* by_identity = records.find(expected.identity);
  const auto by_handle = records.find_by_handle(expected.locator.handle_hash);
  return by_node != nullptr && by_node == by_identity && by_node->node == expected.node &&
         by_node->locator.key == expected.locator.key && by_node->birth == expected.birth &&
         std::ranges::count(by_handle, expected.node) == 1 && by_handle.size() <= 2;
}

bool is_unknown(InodeRecords& records, std::uint64_t number) {
  const InodeRecord expected = record_of(number);
  return records.find(expected.node) == nullptr && records.find(expected.identity) == nullptr &&
         std::ranges::count(records.find_by_handle(expected.locator.handle_hash), expected.node) ==
             0;
}

TEST_CASE("Records are found in every way while others come and go", "[inode_records]") {
  constexpr std::uint64_t kAll = 20'000;  // several chunks
  InodeRecords records;
  std::vector<std::uint64_t> numbers;
  numbers.reserve(kAll);
  for (std::uint64_t number = 1; number <= kAll; ++number) {
    numbers.push_back(number);
    records.insert(record_of(number));
  }
  REQUIRE(std::ranges::all_of(numbers, [&](auto number) { return is_known(records, number); }));

  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): the same order each time
  std::ranges::shuffle(numbers, random);
  for (const std::size_t left : {15'000U, 4'097U, 4'096U, 100U, 1U, 0U}) {
    while (records.size() > left) {
      CHECK(records.erase(NodeId{numbers[records.size() - 1]}));
    }
    REQUIRE(std::ranges::all_of(numbers | std::views::take(left),
                                [&](auto number) { return is_known(records, number); }));
    REQUIRE(std::ranges::all_of(numbers | std::views::drop(left),
                                [&](auto number) { return is_unknown(records, number); }));
    REQUIRE(records.nodes().size() == left);
  }
  records.insert(record_of(1));
  CHECK(is_known(records, 1));
}

TEST_CASE("An identity is that of the record that got it last", "[inode_records]") {
  InodeRecords records;
  const InodeRecord earlier = record_of(1);
  InodeRecord later = record_of(2);
  later.identity = earlier.identity;
  records.insert(earlier);
  records.insert(later);
  REQUIRE(records.find(earlier.identity) != nullptr);
  CHECK(records.find(earlier.identity)->node == later.node);
  CHECK(records.find(earlier.node) != nullptr);

  SECTION("and stays so when the earlier one goes") {
    CHECK_FALSE(records.erase(earlier.node));
    REQUIRE(records.find(earlier.identity) != nullptr);
    CHECK(records.find(earlier.identity)->node == later.node);
  }
  SECTION("and goes with it") {
    CHECK(records.erase(later.node));
    CHECK(records.find(earlier.identity) == nullptr);
    CHECK_FALSE(records.erase(earlier.node));
  }
}

TEST_CASE("A record without a handle is found by none", "[inode_records]") {
  InodeRecords records;
  InodeRecord record = record_of(1);
  record.locator.handle_hash = kNoHandleHash;
  records.insert(record);
  CHECK(records.find_by_handle(kNoHandleHash).empty());
  records.set_handle_hash(*records.find(record.node), 9);
  CHECK(records.find_by_handle(9) == std::vector{record.node});
  records.set_handle_hash(*records.find(record.node), kNoHandleHash);
  CHECK(records.find_by_handle(9).empty());
}

TEST_CASE("A node that was never known isn't erased", "[inode_records]") {
  InodeRecords records;
  records.insert(record_of(1));
  CHECK_FALSE(records.erase(NodeId{2}));
  CHECK(records.size() == 1);
}

}  // namespace
}  // namespace mmapdirfs::test
