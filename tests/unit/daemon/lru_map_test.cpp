// SPDX-License-Identifier: MIT
#include "fs/lru_map.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using Map = LruMap<int, std::string>;

TEST_CASE("A map gives up what wasn't used for longest", "[lru_map]") {
  Map map(2);
  CHECK(map.insert(1, "one") == std::nullopt);
  CHECK(map.insert(2, "two") == std::nullopt);
  REQUIRE(map.find(1) != nullptr);  // so that 2 is the older one
  CHECK(map.insert(3, "three") == "two");
  CHECK(map.size() == 2);
  CHECK(map.find(2) == nullptr);
  REQUIRE(map.find(1) != nullptr);
  CHECK(*map.find(1) == "one");
  REQUIRE(map.find(3) != nullptr);
  CHECK(*map.find(3) == "three");
}

TEST_CASE("What is replaced is handed back, and counts as used", "[lru_map]") {
  Map map(2);
  map.insert(1, "one");
  map.insert(2, "two");
  CHECK(map.insert(1, "another") == "one");
  CHECK(map.size() == 2);
  CHECK(map.insert(3, "three") == "two");
  REQUIRE(map.find(1) != nullptr);
  CHECK(*map.find(1) == "another");
}

TEST_CASE("What is erased is handed back, once", "[lru_map]") {
  Map map(2);
  map.insert(1, "one");
  CHECK(map.erase(1) == "one");
  CHECK(map.erase(1) == std::nullopt);
  CHECK(map.find(1) == nullptr);
  CHECK(map.size() == 0);
  map.insert(2, "two");
  CHECK(map.insert(3, "three") == std::nullopt);
}

TEST_CASE("A map without room hands everything back at once", "[lru_map]") {
  Map map(0);
  CHECK(map.insert(1, "one") == "one");
  CHECK(map.find(1) == nullptr);
  CHECK(map.size() == 0);
}

TEST_CASE("All is taken at once, the latest first, and the map goes on", "[lru_map]") {
  Map map(3);
  map.insert(1, "one");
  map.insert(2, "two");
  map.insert(3, "three");
  map.find(1);
  const Map::Entries expected{{1, "one"}, {3, "three"}, {2, "two"}};
  CHECK(map.take_all() == expected);
  CHECK(map.size() == 0);
  CHECK(map.find(1) == nullptr);
  map.insert(1, "again");
  CHECK(map.size() == 1);
}

// Whoever inserts destroys it where he likes: without the lock that he holds meanwhile.
TEST_CASE("The map destroys nothing itself", "[lru_map]") {
  LruMap<int, std::shared_ptr<int>> map(1);
  map.insert(1, std::make_shared<int>(1));
  const std::weak_ptr<int> watched = *map.find(1);
  {
    const auto gone = map.insert(2, std::make_shared<int>(2));
    CHECK_FALSE(watched.expired());
  }
  CHECK(watched.expired());
}

}  // namespace
}  // namespace mmapdirfs::test
