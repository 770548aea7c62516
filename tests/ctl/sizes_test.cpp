// SPDX-License-Identifier: MIT
#include "ctl/sizes.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>

namespace mmapdirfs::ctl {
namespace {

TEST_CASE("A size is a number with a unit of 1024, in any case and spelling", "[ctl]") {
  CHECK(parse_size("0") == 0U);
  CHECK(parse_size("4096") == 4096U);
  CHECK(parse_size("512B") == 512U);
  CHECK(parse_size("10M") == 10U << 20U);
  CHECK(parse_size("10m") == 10U << 20U);
  CHECK(parse_size("10MiB") == 10U << 20U);
  CHECK(parse_size("10 MB") == 10U << 20U);
  CHECK(parse_size("1.5G") == 3ULL << 29U);
  CHECK(parse_size("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("What is no size isn't taken for one", "[ctl]") {
  for (const auto* text : {"", " ", "M", "ten", "-1", "1..5G", "1X", "1KK", "10%", "0x10", "inf",
                           "nan", "1e3", "16E", "18446744073709551616", "99999999999999999999T"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text));
  }
}

TEST_CASE("A share is hundredths of the whole, from none to all", "[ctl]") {
  CHECK(parse_share("20%", 1000) == 200U);
  CHECK(parse_share("12.5%", 1000) == 125U);
  CHECK(parse_share("0%", 1000) == 0U);
  CHECK(parse_share("100%", 1000) == 1000U);
  for (const auto* text : {"", "%", "20", "101%", "-1%", "20%%", "20 percent"}) {
    INFO(text);
    CHECK_FALSE(parse_share(text, 1000));
  }
}

TEST_CASE("Sizes, counts and durations are shown with as many digits as a reader needs", "[ctl]") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(1023) == "1023 B");
  CHECK(format_size(1024) == "1.0 KiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size((1U << 20U) - 1) == "1.0 MiB");
  CHECK(format_size(500ULL << 30U) == "500 GiB");
  CHECK(format_size(std::numeric_limits<std::uint64_t>::max()) == "16.0 EiB");
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_duration(59) == "59 s");
  CHECK(format_duration(200) == "3 min 20 s");
  CHECK(format_duration((2 * 86400) + (3 * 3600)) == "2 d 3 h");
}

TEST_CASE("Only none is 0 percent, and only all is 100", "[ctl]") {
  CHECK(percent_of(0, 10) == 0);
  CHECK(percent_of(1, 1000000) == 1);
  CHECK(percent_of(999999, 1000000) == 99);
  CHECK(percent_of(10, 10) == 100);
  CHECK(percent_of(0, 0) == 100);
}

}  // namespace
}  // namespace mmapdirfs::ctl
