// SPDX-License-Identifier: MIT
// Names that strangers chose must not steer the terminal they are shown on.
#include "ctl/printable.h"

#include <catch2/catch_test_macros.hpp>
#include <clocale>

#include "ctl/command_text.h"
#include "ctl/table.h"
#include "ctl/utf8.h"

namespace mmapdirfs::ctl {
namespace {

TEST_CASE("Control characters and turns of direction are shown rather than obeyed", "[ctl]") {
  CHECK(printable("a b") == "a b");
  CHECK(printable("a\nb\tc") == "a\\nb\\tc");
  CHECK(printable("\x1b[2J") == "\\x1b[2J");
  CHECK(printable("\xc2\x9b"
                  "2J") == "\\x9b2J");
  CHECK(printable("a\xe2\x80\xaetxt.exe") == "a\\u202etxt.exe");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("größe") == "größe");
  CHECK(printable("größe", Charset::kAscii) == "gr\\xf6\\xdfe");
  CHECK(printable("\U0001F600", Charset::kAscii) == "\\U0001f600");
}

TEST_CASE("Bytes that aren't UTF-8 are shown by their numbers", "[ctl]") {
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("a\xc3") == "a\\xc3");
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
}

TEST_CASE("Text that is too long keeps both ends, in exactly the columns it is given", "[ctl]") {
  CHECK(fit("short", 8) == "short   ");
  CHECK(fit("segments/postlist.glass", 12) == "seg…st.glass");
  CHECK(fit("segments/postlist.glass", 12, Charset::kAscii) == "seg~st.glass");
  CHECK(fit("abc", 1) == "…");
  CHECK(fit("abc", 0).empty());
  std::setlocale(LC_CTYPE, "C.UTF-8");  // NOLINT(concurrency-mt-unsafe): for wide letters
  for (std::size_t columns = 0; columns < 30; ++columns) {
    CHECK(columns_of(fit("日本語/索引/größe.idx", columns)) == columns);
  }
}

TEST_CASE("A table's columns are as wide as their widest cells", "[ctl]") {
  CHECK(format_table({{.title = "NAME"}, {.title = "SIZE", .align = Align::kRight}},
                     {{"a", "1"}, {"longer", "12345"}}) ==
        "NAME     SIZE\n"
        "a           1\n"
        "longer  12345\n");
}

TEST_CASE("Wide and hidden letters leave a table's columns beneath one another", "[ctl]") {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // NOLINT(concurrency-mt-unsafe): for wide letters
  CHECK(format_table({{.title = "NAME"}, {.title = "SIZE", .align = Align::kRight}},
                     {{"日本", "1"}, {printable("a\nb\x1b"), "2"}, {"e\u0301", "3"}}) ==
        "NAME      SIZE\n"
        "日本         1\n"
        "a\\nb\\x1b     2\n"
        "e\u0301            3\n");
}

TEST_CASE("Words of any bytes reach the daemon as they are", "[ctl]") {
  const auto text = [](const CommandText& command) { return command.text().value_or("failed"); };
  CHECK(text(CommandText("warm").word("*.glass")) == "warm *.glass");
  CHECK(text(CommandText("warm").word("a b")) == "warm \"a b\"");
  CHECK(text(CommandText("warm").word("")) == "warm \"\"");
  CHECK(text(CommandText("warm").word("a\"b\\c\nd")) == R"(warm "a\"b\\c\nd")");
  CHECK(text(CommandText("warm").word("a").word("--b").word("--c")) == "warm a -- --b --c");
  CHECK(text(CommandText("warm").option("rate", "10").word("\xff")) == "warm --rate=10 \xff");
  CHECK_FALSE(CommandText("warm").word(std::string(5000, 'x')).text());
}

}  // namespace
}  // namespace mmapdirfs::ctl
