// SPDX-License-Identifier: MIT
#include "mmapdir/owned_bytes.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scratch.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::text_of;

TEST_CASE("owned bytes keep their owner alive until the last copy and part is gone") {
  auto owner = std::make_shared<const std::string>("0123456789");
  const std::weak_ptr<const std::string> watch = owner;
  std::optional<OwnedBytes> whole(std::in_place, owner, bytes_of(*owner));
  owner.reset();

  std::optional<OwnedBytes> copy = whole;
  whole.reset();
  CHECK_FALSE(watch.expired());
  std::optional<OwnedBytes> part = copy->slice({.offset = 2, .length = 3}).value();
  copy.reset();
  CHECK_FALSE(watch.expired());
  CHECK(text_of(*part) == "234");
  part.reset();
  CHECK(watch.expired());
}

TEST_CASE("a copy shows the same memory") {
  const auto bytes = OwnedBytes::copy_of(bytes_of("abc"));
  const auto copy = bytes;  // NOLINT(performance-unnecessary-copy-initialization)
  CHECK(copy.bytes().data() == bytes.bytes().data());
}

TEST_CASE("copied bytes are independent of where they came from") {
  std::string text = "abc";
  const auto bytes = OwnedBytes::copy_of(bytes_of(text));
  text = "xyz";
  CHECK(text_of(bytes) == "abc");
}

TEST_CASE("a part of owned bytes can't reach beyond them") {
  const auto bytes = OwnedBytes::copy_of(bytes_of("0123456789"));
  CHECK(bytes.slice({.offset = 10, .length = 0}).value().empty());
  for (const auto range : {ByteRange{.offset = 10, .length = 1}, ByteRange{.offset = 11},
                           ByteRange{.offset = 1, .length = ~std::uint64_t{0}}}) {
    const auto part = bytes.slice(range);
    REQUIRE_FALSE(part);
    CHECK(part.error().code() == std::errc::invalid_argument);
  }
}

TEST_CASE("copying into a buffer of another size is an error") {
  const auto bytes = OwnedBytes::copy_of(bytes_of("abc"));
  std::vector<std::byte> buffer(4);
  CHECK(bytes.copy_to(buffer).error().code() == std::errc::invalid_argument);
}

TEST_CASE("default owned bytes are empty and can be copied from") {
  const OwnedBytes none;
  CHECK(none.empty());
  CHECK(none.copy_to({}));
  CHECK(OwnedBytes::copy_of({}).empty());
}

}  // namespace
}  // namespace mmapdir
