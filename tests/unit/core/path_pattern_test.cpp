// SPDX-License-Identifier: MIT
#include "mmapdir/path_pattern.h"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

namespace mmapdir {
namespace {

using std::string_view_literals::operator""sv;

PathPattern compiled(std::string_view text) {
  auto pattern = PathPattern::compile(text);
  REQUIRE(pattern);
  return *pattern;
}

bool matches(std::string_view pattern, std::string_view path) {
  return compiled(pattern).matches(path);
}

bool may_match_beneath(std::string_view pattern, std::string_view directory) {
  return compiled(pattern).may_match_beneath(directory);
}

// Empty if the pattern is fine.
std::string fault_of(std::string_view text) {
  const auto pattern = PathPattern::compile(text);
  if (pattern) {
    return {};
  }
  CHECK(pattern.error().code() == std::errc::invalid_argument);
  return pattern.error().message();
}

TEST_CASE("a pattern without a slash matches in every directory") {
  CHECK(matches("*.vec", "a.vec"));
  CHECK(matches("*.vec", "b/c/a.vec"));
  CHECK(matches("*", "b/c/a.vec"));
  CHECK(matches("a.vec", "b/a.vec"));
  CHECK_FALSE(matches("*.vec", "a.vec2"));
  CHECK_FALSE(matches("*.vec", "a.vec/b"));
  CHECK_FALSE(matches("a.vec", "ba.vec"));
}

TEST_CASE("a pattern with a slash matches from the root on, and a leading one binds it there") {
  CHECK(matches("b/*.vec", "b/a.vec"));
  CHECK_FALSE(matches("b/*.vec", "c/b/a.vec"));
  CHECK(matches("/a.vec", "a.vec"));
  CHECK_FALSE(matches("/a.vec", "b/a.vec"));
}

TEST_CASE("a star, a question mark and a set don't match a slash") {
  CHECK_FALSE(matches("a/*", "a/b/c"));
  CHECK_FALSE(matches("/a?b", "a/b"));
  CHECK_FALSE(matches("/a[/b]b", "a/b"));
  CHECK_FALSE(matches("/a[!x]b", "a/b"));
  CHECK_FALSE(matches("/a[.-0]b", "a/b"));
}

TEST_CASE("a star matches nothing as well, a question mark exactly one byte") {
  CHECK(matches("a*b", "ab"));
  CHECK(matches("a*b", "axxb"));
  CHECK(matches("a?b", "axb"));
  CHECK_FALSE(matches("a?b", "ab"));
  CHECK_FALSE(matches("a?b", "axxb"));
}

TEST_CASE("two stars match across directories") {
  CHECK(matches("a/**", "a/b"));
  CHECK(matches("a/**", "a/b/c/d"));
  CHECK_FALSE(matches("a/**", "a"));
  CHECK_FALSE(matches("a/**", "ab/c"));
  CHECK(matches("**", "a/b/c"));
  CHECK(matches("/a**z", "a/b/z"));
}

TEST_CASE("two stars as a component stand for any number of directories") {
  CHECK(matches("a/**/b", "a/b"));
  CHECK(matches("a/**/b", "a/x/b"));
  CHECK(matches("a/**/b", "a/x/y/b"));
  CHECK_FALSE(matches("a/**/b", "a/xb"));
  CHECK(matches("**/b", "b"));
  CHECK(matches("**/b", "x/y/b"));
  CHECK_FALSE(matches("**/b", "xb"));
  CHECK(matches("a/**/**/b", "a/b"));
}

TEST_CASE("a set holds bytes, ranges, and a closing bracket that comes first") {
  CHECK(matches("[a-c]x", "bx"));
  CHECK_FALSE(matches("[a-c]x", "dx"));
  CHECK(matches("[!a-c]x", "dx"));
  CHECK(matches("[^a-c]x", "dx"));
  CHECK_FALSE(matches("[!a-c]x", "bx"));
  CHECK(matches("[]a]x", "]x"));
  CHECK(matches("[!]]x", "ax"));
  CHECK(matches("[a-]x", "-x"));
  CHECK(matches("[\\]]x", "]x"));
  CHECK(matches("[\x80-\xff]x", "\xc3x"));
}

TEST_CASE("a backslash takes away what a byte means") {
  CHECK(matches("\\*.vec", "*.vec"));
  CHECK_FALSE(matches("\\*.vec", "a.vec"));
  CHECK(matches("a\\[b", "a[b"));
  CHECK(matches("a\\\\b", "a\\b"));
}

TEST_CASE("a bad pattern is refused with what is wrong about it") {
  CHECK(fault_of("") == "read the pattern: it is empty; allowed is a glob, such as '*.idx'");
  CHECK(fault_of("a//b") ==
        "read the pattern 'a//b': it holds an empty name; allowed is one '/' between two names");
  struct Row {
    std::string_view pattern;
    const char* wrong;
    const char* allowed;
  };
  constexpr std::array<Row, 12> kRows{{
      {"a[b", "'[' without its ']'", "'[...]'"},
      {"a[b-", "'[' without its ']'", "'[...]'"},
      {"[]", "'[' without its ']'", "'[...]'"},
      {"[!", "'[' without its ']'", "'[...]'"},
      {"[z-a]", "reversed range", "'[a-z]'"},
      {"a\\", "ends with a backslash", "'\\\\'"},
      {"a\\/b", "ends with a backslash", "'\\\\'"},
      {"a/", "ends with '/'", "'name/**'"},
      {"/", "ends with '/'", "'name/**'"},
      {"../a", "holds '.' or '..'", "beneath the root"},
      {"a/./b", "holds '.' or '..'", "beneath the root"},
      {"a\0b"sv, "holds a NUL", "bytes that names can have"},
  }};
  for (const auto& [pattern, wrong, allowed] : kRows) {
    const std::string fault = fault_of(pattern);
    CAPTURE(fault);
    CHECK(fault.contains(wrong));
    CHECK(fault.contains("; allowed "));
    CHECK(fault.contains(allowed));
    CHECK_FALSE(fault.contains("Invalid argument"));
  }
}

TEST_CASE("a pattern keeps its text") { CHECK(compiled("a/**/*.vec").text() == "a/**/*.vec"); }

TEST_CASE("a walk is told which directories can't hold a match") {
  CHECK(may_match_beneath("a/b/*", ""));
  CHECK(may_match_beneath("a/b/*", "a"));
  CHECK(may_match_beneath("a/b/*", "a/b"));
  CHECK_FALSE(may_match_beneath("a/b/*", "a/b/c"));
  CHECK_FALSE(may_match_beneath("a/b/*", "b"));
  CHECK_FALSE(may_match_beneath("a/b", "a/b"));
  CHECK(may_match_beneath("*.vec", "b/c"));
  CHECK(may_match_beneath("a/**/x", "a/b/c"));
  CHECK_FALSE(may_match_beneath("a/**/x", "ab"));
}

TEST_CASE("a pattern of many stars takes no more time than its length times the path's") {
  std::string pattern;
  std::string path;
  for (int i = 0; i < 500; ++i) {
    pattern += "*a**/";
    path += "a/";
  }
  // Trying out which star takes how much would take longer than the universe has lasted.
  CHECK_FALSE(compiled(pattern + "b").matches(std::string(4000, 'a')));
  CHECK(compiled(pattern + "b").matches(path + "b"));
}

}  // namespace
}  // namespace mmapdir
