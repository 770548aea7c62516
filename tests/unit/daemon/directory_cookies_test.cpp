// SPDX-License-Identifier: MIT
#include "fs/directory_cookies.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace mmapdirfs::test {
namespace {

constexpr std::uint64_t kEnd = 0x7fff'ffff'ffff'ffff;
constexpr std::uint64_t kNone = ~std::uint64_t{0};

// A directory as ext4 lists it: the names' positions in order, then the end.
class FakeDirectory {
 public:
  explicit FakeDirectory(std::vector<std::uint64_t> positions) : positions_(std::move(positions)) {
    std::ranges::sort(positions_);
    cookies_.note_hashed();
  }

  void add(std::uint64_t position) {
    positions_.insert(std::ranges::upper_bound(positions_, position), position);
  }
  void remove(std::uint64_t position) { std::erase(positions_, position); }

  // The first name at `cookie` or behind it, kNone at the end; then `cookie` is where to go on.
  std::uint64_t take(std::uint64_t& cookie) {
    const std::uint64_t from = cookies_.position_of(cookie);
    const auto found = std::ranges::lower_bound(positions_, from);
    if (found == positions_.end()) {
      return kNone;
    }
    const auto next = std::next(found);
    cookie = cookies_.cookie_of(*found, next == positions_.end() ? kEnd : *next);
    return *found;
  }

  const std::vector<std::uint64_t>& positions() const { return positions_; }

 private:
  DirectoryCookies cookies_;
  std::vector<std::uint64_t> positions_;
};

std::uint64_t position(std::uint64_t major, std::uint64_t minor) { return (major << 32U) | minor; }

// "." and "..", and names of which many share the upper half of their positions, also with "..".
std::vector<std::uint64_t> crowded(unsigned seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::set<std::uint64_t> positions{0, position(1, 0)};
  const std::uint64_t majors = 1 + (random() % 50);
  const std::uint64_t start = seed % 2 == 0 ? 0 : 0x7fff'fffe - majors;
  while (positions.size() < count) {
    positions.insert(position(start + (random() % majors), random() & 0xffff'ffff));
  }
  return {positions.begin(), positions.end()};
}

// Each cookie is used as by a program that goes away and comes back.
TEST_CASE("Names that share a half of their position are listed once each, by small cookies",
          "[cookies]") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    FakeDirectory directory(crowded(seed, 500));
    for (int turn = 0; turn < 2; ++turn) {
      std::vector<std::uint64_t> seen;
      std::set<std::uint64_t> cookies;
      std::uint64_t cookie = 0;
      for (auto name = directory.take(cookie); name != kNone; name = directory.take(cookie)) {
        seen.push_back(name);
        REQUIRE(cookie <= DirectoryCookies::kMax);
        REQUIRE(cookies.insert(cookie).second);
        REQUIRE(seen.size() <= directory.positions().size());
      }
      CHECK(seen == directory.positions());
    }
  }
}

TEST_CASE("Names that stay are listed once while others come and go", "[cookies]") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto stay = crowded(seed, 300);
    FakeDirectory directory(stay);
    std::multiset<std::uint64_t> seen;
    std::vector<std::uint64_t> passing;
    std::uint64_t cookie = 0;
    for (auto name = directory.take(cookie); name != kNone; name = directory.take(cookie)) {
      seen.insert(name);
      REQUIRE(seen.size() < 10'000);
      if (!passing.empty() && random() % 2 == 0) {
        directory.remove(passing.back());
        passing.pop_back();
      } else if (passing.size() < 20) {
        const auto near = stay[2 + (random() % (stay.size() - 2))];
        const auto added = position(near >> 32U, random() & 0xffff'ffff);
        if (!std::ranges::binary_search(directory.positions(), added)) {
          directory.add(added);
          passing.push_back(added);
        }
      }
    }
    for (const auto name : stay) {
      REQUIRE(seen.count(name) == 1);
    }
  }
}

TEST_CASE("A directory that is emptied as it is listed comes to its end", "[cookies]") {
  FakeDirectory directory(crowded(3, 500));
  std::uint64_t cookie = 0;
  std::size_t count = 0;
  for (auto name = directory.take(cookie); name != kNone; name = directory.take(cookie)) {
    directory.remove(name);
    ++count;
  }
  CHECK(count == 500);
  CHECK(directory.positions().empty());
}

TEST_CASE("Where no names share a half nothing has to be remembered", "[cookies]") {
  DirectoryCookies cookies;
  cookies.note_hashed();
  CHECK(cookies.cookie_of(0, position(1, 0)) == 1);
  CHECK(cookies.cookie_of(position(1, 0), position(77, 5)) == 77);
  CHECK(cookies.cookie_of(position(77, 5), kEnd) == DirectoryCookies::kMax);
  CHECK_FALSE(cookies.remembers_any());
  CHECK(cookies.position_of(77) == position(77, 0));
}

TEST_CASE("Positions that are no hashes are cookies themselves", "[cookies]") {
  DirectoryCookies cookies;
  CHECK(cookies.cookie_of(1, 2) == 2);
  CHECK(cookies.cookie_of(1, kEnd) == kEnd);
  CHECK(cookies.position_of(2) == 2);
}

TEST_CASE("What is remembered of a directory outlives its listing until it is forgotten",
          "[cookies]") {
  CookiesOfDirectories all;
  constexpr NodeId kDirectory{7};
  std::uint64_t cookie = 0;
  {
    const auto cookies = all.of(kDirectory);
    cookies->note_hashed();
    cookie = cookies->cookie_of(position(9, 1), position(9, 2));
    all.release(kDirectory);
  }
  CHECK(all.of(kDirectory)->position_of(cookie) == position(9, 2));
  all.forget(kDirectory);
  CHECK_FALSE(all.of(kDirectory)->remembers_any());
}

}  // namespace
}  // namespace mmapdirfs::test
