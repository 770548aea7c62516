// SPDX-License-Identifier: MIT
// warm, pin, unpin, pins, hot save and hot load: what they ask of the daemon, and what they make of
// its answers.

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "ctl/fake_mount.h"
#include "ctl/progress_line.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Strings = std::vector<std::string>;

constexpr const char* kDone = R"({"event":"done"})";
constexpr const char* kHalf =
    R"({"event":"progress","bytes":524288,"total":1048576,"rate":524288,"path":"a\u001bb"})";

FakeMount warmed(const std::string& stopped_by) {
  return {
      .answers = {
          {"warm",
           {kHalf,
            R"({"event":"result","files":2,"asked_bytes":1048576,"read_bytes":524288,"resident_bytes":786432,"dropped_bytes":0,"stopped_by":)" +
                stopped_by + R"(,"failures":[]})",
            kDone}}}};
}

TEST_CASE("warm ends with one line: what was asked, what is resident, what was dropped", "[ctl]") {
  auto mount = warmed("null");
  const auto ran = run_on(
      mount, {"warm", "/mnt", "*.glass", "a b", "--rate=10M/s", "--limit=1.5G", "--share", "20%"});
  CHECK(ran.status == 0);
  CHECK(ran.output ==
        "asked for 1.0 MiB in 2 files, read 512 KiB; 768 KiB resident now, 0 B dropped again\n");
  CHECK(ran.messages.empty());
  CHECK(mount.asked ==
        Strings{"warm --rate=10485760 --limit=1610612736 --share=20 *.glass \"a b\""});
}

TEST_CASE("warm says why it read less than it was asked for", "[ctl]") {
  auto by_limit = warmed(R"("limit")");
  CHECK_THAT(run_on(by_limit, {"warm", "/mnt", "*"}).output, ContainsSubstring("--limit"));
  auto by_memory = warmed(R"("memory")");
  CHECK_THAT(run_on(by_memory, {"warm", "/mnt", "*"}).output, ContainsSubstring("memory"));
}

TEST_CASE("warm draws its progress on a terminal only, and takes it away", "[ctl]") {
  auto mount = warmed("null");
  const auto ran = run_on(mount, {"warm", "/mnt", "*"}, fine_terminal());
  CHECK_THAT(ran.messages, ContainsSubstring("██████████░░░░░░░░░░  50 %  512 KiB of 1.0 MiB  "
                                             "512 KiB/s  1 s left  a\\x1bb\x1b[K"));
  CHECK(ran.messages.ends_with("\r\x1b[K"));
  const auto json = run_on(mount, {"warm", "/mnt", "*", "--json"}, fine_terminal());
  CHECK(json.messages.empty());
  CHECK_THAT(json.output, ContainsSubstring(R"("event":"progress")"));
}

TEST_CASE("A progress line is never wider than its terminal", "[ctl]") {
  const nlohmann::json figures = {
      {"bytes", 1}, {"total", 1U << 30U}, {"rate", 1}, {"path", std::string(200, 'x')}};
  for (unsigned columns = 20; columns < 120; ++columns) {
    CHECK(columns_of(progress_text(figures, fine_terminal(columns))) < columns);
  }
}

TEST_CASE("warm that was cancelled says what was read, and what is resident", "[ctl]") {
  FakeMount mount{.answers = {{"warm", {kHalf}},
                              {"map", {R"({"event":"result","resident_bytes":4096})", kDone}}},
                  .interrupted = "warm"};
  const auto ran = run_on(mount, {"warm", "/mnt", "*"});
  CHECK(ran.status == 1);
  CHECK(ran.output == "cancelled after 512 KiB of 1.0 MiB; 4.0 KiB resident now\n");
  CHECK(mount.asked == Strings{"warm *", "map --cells=1 *"});
}

TEST_CASE("warm names each file that it couldn't read, and fails", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"warm",
           {R"({"event":"result","files":1,"failures":[{"path":"a\nb","message":"open: I/O error"}]})",
            kDone}}}};
  const auto ran = run_on(mount, {"warm", "/mnt", "*"});
  CHECK(ran.status == 1);
  CHECK(ran.messages == "mmapdirctl: 'a\\nb': open: I/O error\n");
}

TEST_CASE("Sizes that make no sense never reach the daemon", "[ctl]") {
  FakeMount mount;
  for (const Strings& arguments :
       {Strings{"warm", "/mnt", "*", "--rate=20%"}, Strings{"warm", "/mnt", "*", "--rate=0"},
        Strings{"warm", "/mnt", "*", "--limit=much"}, Strings{"warm", "/mnt", "*", "--limit=-1"},
        Strings{"warm", "/mnt", "*", "--share=0"}, Strings{"warm", "/mnt", "*", "--share=101"},
        Strings{"pin", "/mnt", "*", "--budget=0"}, Strings{"pin", "/mnt", "*", "--budget=1000000T"},
        Strings{"map", "/mnt", "--cells=0"}, Strings{"top", "/mnt", "--interval=0"}}) {
    const auto ran = run_on(mount, arguments);
    INFO(arguments.back());
    CHECK(ran.status == 2);
    CHECK_THAT(ran.messages, ContainsSubstring(arguments.back()));
  }
  CHECK(mount.asked.empty());
}

TEST_CASE("pin lists intended, pinned and why not, and fails if something is missing", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"pin",
           {R"({"event":"result","path":"a","intended_bytes":8192,"pinned_bytes":8192,"reason":null})",
            R"({"event":"result","path":"b","intended_bytes":8192,"pinned_bytes":0,"reason":"RLIMIT_MEMLOCK"})",
            R"({"event":"result","files":2,"intended_bytes":16384,"pinned_bytes":8192})", kDone}}}};
  const auto ran = run_on(mount, {"pin", "/mnt", "--budget=1M", "a", "b"});
  CHECK(ran.status == 1);
  CHECK_THAT(ran.output, ContainsSubstring("a      8.0 KiB  8.0 KiB\n") &&
                             ContainsSubstring("b      8.0 KiB      0 B  RLIMIT_MEMLOCK\n") &&
                             ContainsSubstring("pinned 8.0 KiB of 16.0 KiB intended, 2 files\n"));
  CHECK(mount.asked == Strings{"pin --budget=1048576 a b"});
}

TEST_CASE("pins and unpin say what there is and what was", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"pins",
           {R"({"event":"result","path":"a","pattern":"a*","intended_bytes":4096,"pinned_bytes":4096,"reason":null})",
            kDone}},
          {"unpin", {R"({"event":"result","files":1,"bytes":4096})", kDone}}}};
  CHECK_THAT(run_on(mount, {"pins", "/mnt"}).output, ContainsSubstring("a*\n"));
  CHECK(run_on(mount, {"unpin", "/mnt", "a*"}).output == "unpinned 4.0 KiB of 1 file\n");
  mount.answers["pins"] = {kDone};
  CHECK(run_on(mount, {"pins", "/mnt"}).output == "nothing is pinned\n");
}

TEST_CASE("hot save and hot load name the file as the daemon can find it", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"hot-save", {R"({"event":"result","files":3,"bytes":4096})", kDone}},
          {"hot-load",
           {kHalf,
            R"({"event":"result","files":2,"bytes":4096,"skipped_files":1,"skipped":[{"path":"c","reason":"it has changed"}]})",
            kDone}}}};
  const auto here = std::filesystem::current_path();
  CHECK_THAT(run_on(mount, {"hot", "save", "/mnt", "hot set"}).output,
             ContainsSubstring("saved 4.0 KiB of 3 files as hot in "));
  const auto loaded = run_on(mount, {"hot", "load", "/mnt", "../x/./hot"});
  CHECK(loaded.output == "loaded 4.0 KiB of 2 files, skipped 1 file\n");
  CHECK(loaded.messages == "skipped 'c': it has changed\n");
  CHECK(mount.asked == Strings{"hot-save \"" + (here / "hot set").string() + "\"",
                               "hot-load " + (here.parent_path() / "x/hot").string()});
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
