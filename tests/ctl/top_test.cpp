// SPDX-License-Identifier: MIT
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <clocale>

#include "ctl/fake_mount.h"
#include "ctl/top_picture.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

json file(const char* name, unsigned inode, unsigned reads, const char* path = "mapped") {
  return {{"path", name},           {"inode", inode}, {"size", 8192},
          {"resident_bytes", 4096}, {"reads", reads}, {"read_bytes", reads * 10},
          {"read_path", path}};
}

TEST_CASE("Rates are what was counted between two looks, busiest first", "[ctl]") {
  ActivityMeter meter(Charset::kUtf8);
  CHECK(meter.take({file("a", 1, 100), file("b", 2, 100)}, 0)[0].reads_per_second == 0);
  const auto second = meter.take({file("a", 1, 110), file("b", 2, 300), file("new", 3, 5)}, 2);
  REQUIRE(second.size() == 3);
  CHECK(second[0].name == "b");
  CHECK(second[0].reads_per_second == 100);
  CHECK(second[0].bytes_per_second == 1000);
  CHECK(second[1].name == "a");
  CHECK(second[1].reads_per_second == 5);
  CHECK(second[2].reads_per_second == 2.5);
  CHECK(meter.take({file("reborn", 2, 10)}, 1)[0].reads_per_second == 10);
}

TEST_CASE("The picture of top fits its terminal", "[ctl]") {
  ActivityMeter meter(Charset::kUtf8);
  std::vector<json> files;
  files.reserve(50);
  for (unsigned i = 0; i < 50; ++i) {
    files.push_back(file("some/longish/directory/日本語/file.name", i, i * 1000000));
  }
  const auto activities = meter.take(files, 1);
  for (unsigned columns = 20; columns < 200; columns += 11) {
    const auto lines = top_lines("/mnt", activities, fine_terminal(columns), 10);
    CHECK(lines.size() == 12);
    for (const auto& line : lines) {
      INFO(line);
      CHECK(columns_of(line) <= columns);
    }
  }
}

// What a line holds before its name, which begins with a letter that no figure has.
std::string figures_in(const std::string& line, const std::string& name_start) {
  const auto at = line.find(name_start);
  return at == std::string::npos ? "no name in: " + line : line.substr(0, at);
}

TEST_CASE("A name that is too long for top is cut, never the figures before it", "[ctl]") {
  std::setlocale(LC_CTYPE, "C.UTF-8");  // NOLINT(concurrency-mt-unsafe): for wide letters
  ActivityMeter meter(Charset::kUtf8);
  const std::string long_name = "n" + std::string(250, 'x') + ".glass";
  const std::string wide_name = "n日本語/" + std::string(90, 'y') + "索引";
  const auto activities = meter.take({file("n.idx", 1, 9), file(long_name.c_str(), 2, 8),
                                      file(wide_name.c_str(), 3, 7), file("n\n\x1b[2J", 4, 6)},
                                     1);
  for (const unsigned columns : {20U, 30U, 40U, 66U, 70U, 77U, 80U, 83U, 120U}) {
    CAPTURE(columns);
    const auto lines = top_lines("/mnt", activities, fine_terminal(columns), 10);
    REQUIRE(lines.size() == 6);
    const auto name_at = lines.at(1).find("FILE");
    REQUIRE(name_at != std::string::npos);
    for (std::size_t i = 2; i < lines.size(); ++i) {
      INFO(lines.at(i));
      CHECK(columns_of(lines.at(i)) <= columns);
      CHECK(figures_in(lines.at(i), "n").size() == name_at);
      CHECK_FALSE(figures_in(lines.at(i), "n").contains("…"));
    }
  }
}

TEST_CASE("Figures that are wider than usual keep their columns apart in top", "[ctl]") {
  json huge = file("n", 1, 0);
  huge["reads"] = 18'000'000'000'000'000'000U;
  ActivityMeter meter(Charset::kUtf8);
  const auto lines =
      top_lines("/mnt", meter.take({huge, file("n", 2, 1)}, 1), fine_terminal(120), 10);
  const auto name_at = lines.at(1).find("FILE");
  CHECK(lines.at(2).find('n') == name_at);
  CHECK(lines.at(3).find('n') == name_at);
}

TEST_CASE("Reads that the kernel answers itself are shown as unknown, not as none", "[ctl]") {
  ActivityMeter meter(Charset::kUtf8);
  const auto lines =
      top_lines("/mnt", meter.take({file("a", 1, 0, "passthrough")}, 0), fine_terminal(), 10);
  CHECK_THAT(lines.at(2), ContainsSubstring("-           -         -"));
}

TEST_CASE("What the daemon can't tell of a file's residency is shown as unknown", "[ctl]") {
  json unknown = file("a", 1, 100);
  unknown["resident_bytes"] = nullptr;
  ActivityMeter meter(Charset::kUtf8);
  const auto lines = top_lines("/mnt", meter.take({unknown}, 0), fine_terminal(), 10);
  CHECK_THAT(lines.at(2), ContainsSubstring("8.0 KiB          -  mapped"));
}

TEST_CASE("top makes one table where nobody looks on", "[ctl]") {
  FakeMount mount{.files = {{"files", file("a", 1, 100).dump() + "\n"}}};
  const auto ran = run_on(mount, {"top", "/mnt", "--interval=0.1"});
  CHECK(ran.status == 0);
  CHECK_THAT(ran.output, ContainsSubstring("READS/S") && ContainsSubstring("mapped       a\n"));
  CHECK_FALSE(ran.output.contains('\x1b'));
  const auto lines = run_on(mount, {"top", "/mnt", "--interval=0.1", "--json"}).output;
  CHECK(json::parse(lines).at("reads_per_second") == 0.0);
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
