// SPDX-License-Identifier: MIT
#include "fs/file_version.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <set>
#include <utility>

namespace mmapdirfs::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kNow = 1'000'000 * kSecond;

Attributes changed_at(std::int64_t time) {
  Attributes attributes{};
  attributes.stx_ctime.tv_sec = time / kSecond;
  attributes.stx_ctime.tv_nsec = static_cast<std::uint32_t>(time % kSecond);
  attributes.stx_mtime = attributes.stx_ctime;
  attributes.stx_size = 100;
  return attributes;
}

TEST_CASE("Equal attributes have equal versions, at any time", "[version]") {
  const Attributes attributes = changed_at(kNow - kSecond);
  CHECK(file_version(attributes, kNow) != 0);
  CHECK(file_version(attributes, kNow) == file_version(attributes, kNow + (3600 * kSecond)));
}

TEST_CASE("Size, modification and change time each make another version", "[version]") {
  const Attributes original = changed_at(kNow - kSecond);
  std::set<std::uint64_t> versions{file_version(original, kNow)};
  const auto add = [&versions](auto change) {
    Attributes changed = changed_at(kNow - kSecond);
    change(changed);
    return versions.insert(file_version(changed, kNow)).second;
  };
  CHECK(add([](Attributes& a) { ++a.stx_size; }));
  CHECK(add([](Attributes& a) { ++a.stx_mtime.tv_nsec; }));
  CHECK(add([](Attributes& a) { --a.stx_mtime.tv_sec; }));
  CHECK(add([](Attributes& a) { ++a.stx_ctime.tv_nsec; }));
  CHECK(add([](Attributes& a) { --a.stx_ctime.tv_sec; }));
}

TEST_CASE("Times that change places make another version", "[version]") {
  Attributes one = changed_at(kNow - kSecond);
  one.stx_mtime.tv_sec -= 5;
  Attributes other = one;
  std::swap(other.stx_mtime, other.stx_ctime);
  CHECK(file_version(one, kNow) != file_version(other, kNow));
}

TEST_CASE("What doesn't touch the contents makes no other version", "[version]") {
  Attributes attributes = changed_at(kNow - kSecond);
  const auto before = file_version(attributes, kNow);
  attributes.stx_atime.tv_sec = 42;
  attributes.stx_nlink = 5;
  CHECK(file_version(attributes, kNow) == before);
}

TEST_CASE("A file changed within the last tick has no version", "[version]") {
  CHECK(file_version(changed_at(kNow), kNow) == 0);
  CHECK(file_version(changed_at(kNow - (19 * kMillisecond)), kNow) == 0);
  CHECK(file_version(changed_at(kNow - (21 * kMillisecond)), kNow) != 0);
}

TEST_CASE("A file changed in the future has no version", "[version]") {
  CHECK(file_version(changed_at(kNow + 1), kNow) == 0);
  CHECK(file_version(changed_at(kNow + (86400 * kSecond)), kNow) == 0);
}

TEST_CASE("A file from before 1970 has a version", "[version]") {
  Attributes attributes{};
  attributes.stx_ctime.tv_sec = -1000;
  attributes.stx_mtime.tv_sec = -2000;
  CHECK(file_version(attributes, kNow) != 0);
}

TEST_CASE("Times that no clock shows are told apart from honest ones", "[version]") {
  constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
  Attributes attributes = changed_at(kNow - kSecond);
  const auto honest = file_version(attributes, kNow);
  for (const std::int64_t strange : {kLast, -kLast - 1, (kLast / kSecond) + 1}) {
    CAPTURE(strange);
    attributes.stx_mtime.tv_sec = strange;
    CHECK(file_version(attributes, kNow) != 0);
    CHECK(file_version(attributes, kNow) != honest);
  }
  attributes.stx_ctime.tv_sec = kLast;
  CHECK(file_version(attributes, kNow) == 0);
}

}  // namespace
}  // namespace mmapdirfs::test
