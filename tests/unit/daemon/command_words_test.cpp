// SPDX-License-Identifier: MIT
// A command line taken apart.

#include "control/command_words.h"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>
#include <vector>

namespace mmapdirfs::test {
namespace {

using Words = std::vector<std::string>;

CommandWords parse(std::string_view line) {
  const auto command = parse_command(line);
  INFO("line: " << line << " message: " << (command ? "" : command.error().message));
  REQUIRE(command);
  return *command;
}

TEST_CASE("A command has a verb, options and words, divided by blanks", "[control]") {
  const auto command = parse(" \twarm  --rate=100 a/*.idx --share=  b\t");
  CHECK(command.verb == "warm");
  CHECK(command.options == std::map<std::string, std::string>{{"rate", "100"}, {"share", ""}});
  CHECK(command.words == Words{"a/*.idx", "b"});
}

TEST_CASE("Quotes and backslashes keep bytes as they are", "[control]") {
  CHECK(parse("v \"a b\" c\\ d").words == Words{"a b", "c d"});
  CHECK(parse("v \"\" x").words == Words{"", "x"});
  CHECK(parse(R"(v "a\nb" a\nb \"q\" "\\")").words == Words{"a\nb", "anb", "\"q\"", "\\"});
  CHECK(parse("v a\"b c\"d").words == Words{"ab cd"});
  CHECK(parse("v \xff\xfe").words == Words{"\xff\xfe"});
}

TEST_CASE("Two dashes end a command's options", "[control]") {
  const auto command = parse("v --a -- --b");
  CHECK(command.options.size() == 1);
  CHECK(command.words == Words{"--b"});
}

TEST_CASE("What is no command is told so", "[control]") {
  using namespace std::string_view_literals;
  for (const auto line : {""sv, "   "sv, "v \"open"sv, "v end\\"sv, "v \0"sv, "v --a --a=1"sv}) {
    CAPTURE(line);
    const auto command = parse_command(line);
    REQUIRE_FALSE(command);
    CHECK(command.error().errnum == EINVAL);
    CHECK_FALSE(command.error().message.empty());
  }
}

TEST_CASE("An option's number is whole and within its bounds", "[control]") {
  const auto command = parse("v --n=12 --huge=99999999999999999999 --half=1.5 --none");
  const auto given = command.number("n", 1, 12);
  REQUIRE(given);
  CHECK(*given == 12U);
  const auto not_given = command.number("other", 1, 12);
  REQUIRE(not_given);
  CHECK_FALSE(not_given->has_value());
  for (const char* option : {"huge", "half", "none"}) {
    CHECK_FALSE(command.number(option, 0, 100));
  }
  CHECK_FALSE(command.number("n", 13, 100));
  CHECK_FALSE(command.number("n", 1, 11));
}

}  // namespace
}  // namespace mmapdirfs::test
