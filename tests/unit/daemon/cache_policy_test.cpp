// SPDX-License-Identifier: MIT
#include "cache_policy.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <optional>

namespace mmapdirfs::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

using Asked = std::optional<seconds>;

CachePolicy policy_of(CacheMode mode, Asked attributes = {}, Asked names = {}) {
  return CachePolicy({.mode = mode, .attribute_timeout = attributes, .entry_timeout = names});
}

void check_times(const CachePolicy& policy, bool is_watched, seconds expected) {
  CHECK(policy.times(is_watched).attributes == expected);
  CHECK(policy.times(is_watched).names == expected);
}

TEST_CASE("auto keeps an hour where changes are reported, else a second", "[cache_policy]") {
  const auto policy = policy_of(CacheMode::kAuto);
  check_times(policy, true, hours(1));
  check_times(policy, false, seconds(1));
  CHECK(policy.keeps_absence(true));
  CHECK_FALSE(policy.keeps_absence(false));
  CHECK(policy.keeps_pages());
  CHECK(policy.watches());
  CHECK_FALSE(policy.owns_source());
}

TEST_CASE("never keeps nothing, watched or not", "[cache_policy]") {
  const auto policy = policy_of(CacheMode::kNever);
  for (const bool is_watched : {false, true}) {
    check_times(policy, is_watched, seconds(0));
    CHECK_FALSE(policy.keeps_absence(is_watched));
  }
  CHECK_FALSE(policy.keeps_pages());
  CHECK_FALSE(policy.watches());
  CHECK_FALSE(policy.owns_source());
}

TEST_CASE("always keeps everything, and watches nothing", "[cache_policy]") {
  const auto policy = policy_of(CacheMode::kAlways);
  for (const bool is_watched : {false, true}) {
    check_times(policy, is_watched, hours(24));
    CHECK(policy.keeps_absence(is_watched));
  }
  CHECK(policy.keeps_pages());
  CHECK_FALSE(policy.watches());
  CHECK(policy.owns_source());
}

TEST_CASE("Times that are asked for hold watched or not, each for its own", "[cache_policy]") {
  for (const CacheMode mode : {CacheMode::kAuto, CacheMode::kAlways}) {
    const auto attributes = policy_of(mode, seconds(7));
    const auto names = policy_of(mode, {}, seconds(0));
    for (const bool is_watched : {false, true}) {
      CHECK(attributes.times(is_watched).attributes == seconds(7));
      CHECK(attributes.times(is_watched).names == policy_of(mode).times(is_watched).names);
      CHECK(names.times(is_watched).names == seconds(0));
      CHECK(names.times(is_watched).attributes == policy_of(mode).times(is_watched).attributes);
    }
  }
}

TEST_CASE(
    "A file that changed within a second of now is asked about again, where changes are watched",
    "[cache_policy]") {
  constexpr std::int64_t kNow = 1'000'000;
  const auto policy = policy_of(CacheMode::kAuto);
  CHECK(policy.distrusts(kNow, kNow));
  CHECK(policy.distrusts(kNow - 1, kNow));
  CHECK(policy.distrusts(kNow + 1, kNow));
  CHECK_FALSE(policy.distrusts(kNow - 2, kNow));
  CHECK_FALSE(policy.distrusts(kNow + 3600, kNow));
  CHECK_FALSE(policy_of(CacheMode::kAlways).distrusts(kNow, kNow));
}

}  // namespace
}  // namespace mmapdirfs::test
