// SPDX-License-Identifier: MIT
// Releases that may be under way while a lock is asked for.
#include "fs/late_releases.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>

namespace mmapdirfs::test {
namespace {

constexpr NodeId kNode{2};
constexpr NodeId kOtherNode{3};
constexpr HandleId kFirst{1};
constexpr HandleId kSecond{2};
constexpr std::chrono::hours kLong(1);

TEST_CASE("A release is expected from a close until it comes, or the handle is used",
          "[late_releases]") {
  LateReleases releases;
  CHECK_FALSE(releases.is_expected(kNode));
  releases.expect(kNode, kFirst);
  releases.expect(kNode, kSecond);
  releases.settle(kNode, kFirst);
  CHECK(releases.is_expected(kNode));
  CHECK_FALSE(releases.is_expected(kOtherNode));
  releases.settle(kNode, kSecond);
  CHECK_FALSE(releases.is_expected(kNode));
}

TEST_CASE("Who waits goes on when the last release has come", "[late_releases]") {
  LateReleases releases;
  releases.expect(kNode, kFirst);
  releases.expect(kNode, kSecond);
  releases.expect(kOtherNode, kFirst);
  std::jthread closer([&] {
    releases.settle(kNode, kFirst);
    releases.settle(kNode, kSecond);
  });
  releases.await(kNode, kLong);
  CHECK_FALSE(releases.is_expected(kNode));
  CHECK(releases.is_expected(kOtherNode));
}

TEST_CASE("What doesn't come in time isn't waited for again", "[late_releases]") {
  LateReleases releases;
  releases.expect(kNode, kFirst);
  releases.expect(kOtherNode, kFirst);
  releases.await(kNode, std::chrono::milliseconds(1));
  CHECK_FALSE(releases.is_expected(kNode));
  CHECK(releases.is_expected(kOtherNode));
  releases.await(kNode, kLong);  // nothing to wait for
}

}  // namespace
}  // namespace mmapdirfs::test
