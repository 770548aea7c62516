// SPDX-License-Identifier: MIT
#include "mmapdir/byte_range.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>

namespace mmapdir {
namespace {

constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("a half-open range from begin to end has their difference for a length") {
  CHECK(ByteRange::between(3, 10).value() == ByteRange{.offset = 3, .length = 7});
  CHECK(ByteRange::between(3, 3).value() == ByteRange{.offset = 3, .length = 0});
  CHECK(ByteRange::between(0, kMax).value() == ByteRange{.offset = 0, .length = kMax});
}

TEST_CASE("a reversed range is an error") {
  const auto reversed = ByteRange::between(10, 3);
  REQUIRE_FALSE(reversed);
  CHECK(reversed.error().code() == std::errc::invalid_argument);
}

TEST_CASE("a range fits up to the last byte and no further") {
  CHECK(ByteRange{.offset = 0, .length = 10}.fits(10));
  CHECK(ByteRange{.offset = 9, .length = 1}.fits(10));
  CHECK_FALSE(ByteRange{.offset = 0, .length = 11}.fits(10));
  CHECK_FALSE(ByteRange{.offset = 9, .length = 2}.fits(10));
  CHECK_FALSE(ByteRange{.offset = 11, .length = 0}.fits(10));
}

TEST_CASE("an empty range fits at the very end") {
  CHECK(ByteRange{.offset = 10, .length = 0}.fits(10));
  CHECK(ByteRange{}.fits(0));
}

TEST_CASE("a range whose end overflows fits nowhere") {
  CHECK_FALSE(ByteRange{.offset = kMax, .length = 2}.fits(10));
  CHECK_FALSE(ByteRange{.offset = 2, .length = kMax}.fits(10));
  CHECK_FALSE(ByteRange{.offset = kMax, .length = kMax}.fits(kMax));
  CHECK(ByteRange{.offset = kMax - 1, .length = 1}.fits(kMax));
}

}  // namespace
}  // namespace mmapdir
