// SPDX-License-Identifier: MIT
#include "mmapdir/relative_path.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <climits>
#include <string>
#include <unordered_set>
#include <vector>

#include "scratch.h"

namespace mmapdir {
namespace {

using test::relative;
using namespace std::literals;

TEST_CASE("a path of sound components is taken as it is written") {
  for (const auto text : {"a"sv, "a/b/c"sv, "a b"sv, "..."sv, ".hidden"sv, "a/..b"sv, "\xff\xfe"sv,
                          "new\nline"sv, R"(back\slash)"sv, "trailing "sv}) {
    CAPTURE(text);
    const auto path = RelativePath::parse(text);
    REQUIRE(path);
    CHECK(path->string() == text);
    CHECK_FALSE(path->is_root());
  }
}

TEST_CASE("a path that could lead astray is refused") {
  for (const auto text :
       {"/"sv, "/etc/passwd"sv, "."sv, ".."sv, "../a"sv, "a/.."sv, "a/../b"sv, "a/./b"sv, "./a"sv,
        "a//b"sv, "a/"sv, "//a"sv, "a/b//"sv, "a\0b"sv, "\0"sv, "a/b\0/c"sv}) {
    CAPTURE(text);
    const auto path = RelativePath::parse(text);
    REQUIRE_FALSE(path);
    CHECK(path.error().code() == std::errc::invalid_argument);
  }
}

TEST_CASE("a component may be 255 bytes long and no longer") {
  const std::string longest(RelativePath::kMaxComponentBytes, 'x');
  CHECK(RelativePath::parse("a/" + longest + "/b"));
  const auto too_long = RelativePath::parse("a/" + longest + "x/b");
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code() == std::errc::filename_too_long);
}

TEST_CASE("a whole path may be longer than PATH_MAX") {
  std::string text = "start";
  while (text.size() < std::size_t{3} * PATH_MAX) {
    text.append("/component");
  }
  CHECK(relative(text).string() == text);
}

TEST_CASE("the empty path is the root, its own parent, and nothing to prepend") {
  const auto root = relative("");
  CHECK(root.is_root());
  CHECK(root == RelativePath());
  CHECK(root.parent() == root);
  CHECK(root.filename().empty());
  CHECK(root / relative("a/b") == relative("a/b"));
  CHECK(relative("a/b") / root == relative("a/b"));
}

TEST_CASE("parent, filename and joining take a path apart and together") {
  const auto path = relative("a/b/c");
  CHECK(path.parent() == relative("a/b"));
  CHECK(path.filename() == "c");
  CHECK(relative("c").parent().is_root());
  CHECK(relative("c").filename() == "c");
  CHECK(path.parent() / relative("c") == path);
}

TEST_CASE("paths are ordered by bytes and can be hashed") {
  std::vector<RelativePath> paths{relative("b"), relative("a/b"), relative("a"), relative("\xff"),
                                  relative("B")};
  std::ranges::sort(paths);
  CHECK(paths == std::vector<RelativePath>{relative("B"), relative("a"), relative("a/b"),
                                           relative("b"), relative("\xff")});
  const std::unordered_set<RelativePath> set(paths.begin(), paths.end());
  CHECK(set.contains(relative("a/b")));
  CHECK_FALSE(set.contains(relative("a/c")));
}

}  // namespace
}  // namespace mmapdir
