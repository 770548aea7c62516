// SPDX-License-Identifier: MIT
#include "fs/passing_map.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace mmapdirfs::test {
namespace {

using Map = PassingMap<int, int>;

TEST_CASE("What wasn't used since a moment is taken out, the longest unused first",
          "[passing_map]") {
  Map map(4);
  map.insert(1, 10);
  map.insert(2, 20);
  const auto moment = Map::Clock::now();
  map.insert(3, 30);
  REQUIRE(map.find(1) != nullptr);
  CHECK(map.take_unused_since(moment) == std::vector{20});
  CHECK(map.find(2) == nullptr);
  CHECK(map.take_all() == std::vector{30, 10});
  CHECK(map.size() == 0);
}

TEST_CASE("What has to make room is handed back, as is what is replaced or erased",
          "[passing_map]") {
  Map map(2);
  CHECK_FALSE(map.insert(1, 10));
  CHECK_FALSE(map.insert(2, 20));
  CHECK(map.insert(2, 21) == 20);
  CHECK(map.insert(3, 30) == 10);
  CHECK(map.erase(3) == 30);
  CHECK_FALSE(map.erase(3));
}

}  // namespace
}  // namespace mmapdirfs::test
