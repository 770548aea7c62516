// SPDX-License-Identifier: MIT
// The picture of what is in memory, as text and as pages; names are a stranger's.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <sstream>

#include "ctl/fake_mount.h"
#include "ctl/residency_page.h"
#include "ctl/residency_text.h"
#include "support/files.h"
#include "support/temporary_directory.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using mmapdir::test::read_file;
using mmapdir::test::TemporaryDirectory;

std::vector<FileResidency> some_files() {
  return {
      {.path = "all", .size = 1U << 20U, .resident_bytes = 1U << 20U, .cells = {100, 100}},
      {.path = "half", .size = 1U << 20U, .resident_bytes = 1U << 19U, .cells = {100, 0}},
      {.path = "empty", .size = 0, .resident_bytes = 0, .cells = {}},
  };
}

TEST_CASE("A file is a bar that is shaded by what is in memory", "[ctl]") {
  CHECK(residency_text(some_files(), {.charset = Charset::kUtf8, .columns = 35}) ==
        "all      ████████  100 %   1.0 MiB\n"
        "half     ████····   50 %   1.0 MiB\n"
        "empty              100 %       0 B\n"
        "1.5 MiB of 2.0 MiB in memory (75 %), 3 files\n");
  CHECK(residency_text({some_files().at(1)}, {.columns = 35})
            .starts_with("half     ####....   50 %"));
}

TEST_CASE("Colours are for terminals that have them, and end with each line", "[ctl]") {
  CHECK_FALSE(residency_text(some_files(), {.charset = Charset::kUtf8}).contains('\x1b'));
  std::istringstream lines(residency_text(some_files(), fine_terminal()));
  std::string line;
  std::getline(lines, line);
  CHECK_THAT(line, ContainsSubstring("\x1b[32m█") && ContainsSubstring("█\x1b[0m"));
}

TEST_CASE("No line is wider than the terminal, however long names are", "[ctl]") {
  auto files = some_files();
  files.push_back({.path = std::string(300, 'n'), .size = 1, .resident_bytes = 1, .cells = {100}});
  for (unsigned columns = 40; columns < 200; columns += 7) {
    std::istringstream lines(
        residency_text(files, {.charset = Charset::kUtf8, .columns = columns}));
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      CHECK((columns_of(line) <= columns || line.contains("files")));
    }
  }
}

TEST_CASE("Cells are averaged, and only all or nothing looks like it", "[ctl]") {
  CHECK(resample({100, 0, 100, 0}, 2) == std::vector<unsigned>{50, 50});
  CHECK(resample({100, 0}, 4) == std::vector<unsigned>{100, 100, 0, 0});
  std::vector<unsigned> nearly(1000, 100);
  nearly[500] = 99;
  CHECK(resample(nearly, 1) == std::vector<unsigned>{99});
  std::vector<unsigned> hardly(1000, 0);
  hardly[500] = 1;
  CHECK(resample(hardly, 1) == std::vector<unsigned>{1});
  CHECK(resample({}, 10).empty());
}

TEST_CASE("Hostile names are text in the pages, and nothing else", "[ctl]") {
  const std::string name = "<script>alert(1)</script>&\"'\x1b\xff]]>";
  const ResidencyPage page{.title = name, .when = "now"};
  for (const auto& text : {residency_html({{.path = name, .size = 1, .cells = {100}}}, page),
                           residency_svg({{.path = name, .size = 1, .cells = {100}}}, page)}) {
    CHECK_FALSE(text.contains("<script>alert"));
    CHECK_FALSE(text.contains('\x1b'));
    CHECK_FALSE(text.contains('\xff'));
    CHECK_FALSE(text.contains("]]>"));
    CHECK_THAT(text, ContainsSubstring("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"));
  }
}

TEST_CASE("A page needs nothing from elsewhere, and knows light and dark", "[ctl]") {
  const ResidencyPage page{.title = "t", .when = "now"};
  for (const auto& text : {residency_html(some_files(), page), residency_svg(some_files(), page)}) {
    CHECK_THAT(text, ContainsSubstring("prefers-color-scheme: dark"));
    CHECK_FALSE(text.contains("src="));
    CHECK_FALSE(text.contains("href="));
    CHECK_FALSE(text.contains("url("));
    CHECK_FALSE(text.contains("@import"));
  }
}

TEST_CASE("map asks for the patterns and cells that it can show", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"map",
           {R"({"event":"result","path":"a","size":8192,"page_size":4096,"resident_bytes":4096,"source":"cachestat","cells":[100,0]})",
            R"({"event":"done"})"}}}};
  const auto text = run_on(mount, {"map", "/mnt", "*.glass"}, {.columns = 60});
  CHECK(text.status == 0);
  CHECK_THAT(text.output, ContainsSubstring("50 %"));
  CHECK_THAT(run_on(mount, {"map", "/mnt", "--json"}).output,
             ContainsSubstring(R"("cells":[100,0])"));
  const TemporaryDirectory directory;
  const auto html = (directory / "map.html").string();
  const auto svg = (directory / "map.svg").string();
  CHECK(run_on(mount, {"map", "/mnt", "--html", html, "--svg=" + svg}).output.empty());
  CHECK(read_file(html).starts_with("<!DOCTYPE html>"));
  CHECK(read_file(svg).starts_with("<svg "));
  CHECK(mount.asked ==
        std::vector<std::string>{"map --cells=60 *.glass", "map --cells=64", "map --cells=256"});
  const auto refused = run_on(mount, {"map", "/mnt", "--svg=/nonexistent/x.svg"});
  CHECK(refused.status == 1);
  CHECK_THAT(refused.messages, ContainsSubstring("/nonexistent/x.svg"));
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
