// SPDX-License-Identifier: MIT
#include "processors.h"

#include <catch2/catch_test_macros.hpp>

namespace mmapdirfs::test {
namespace {

using Numbers = std::vector<unsigned>;

TEST_CASE("The kernel's lists of processors are read", "[processors]") {
  CHECK(parse_processors("0") == Numbers{0});
  CHECK(parse_processors("0-3") == Numbers{0, 1, 2, 3});
  CHECK(parse_processors("0-1,8,10-11") == Numbers{0, 1, 8, 10, 11});
}

TEST_CASE("What is no list of processors is none", "[processors]") {
  for (const char* list :
       {"", "-", "a", "0-", "-1", "0,", ",0", "0 1", "0-1-2", "99999999999", "0-4000000000"}) {
    CAPTURE(list);
    CHECK_FALSE(parse_processors(list));
  }
}

TEST_CASE("This machine has processors, and those that are online are possible", "[processors]") {
  const auto processors = Processors::of_this_machine();
  REQUIRE(processors);
  REQUIRE_FALSE(processors->online.empty());
  CHECK(processors->online.size() <= processors->possible.size());
}

}  // namespace
}  // namespace mmapdirfs::test
