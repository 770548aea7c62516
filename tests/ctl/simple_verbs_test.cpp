// SPDX-License-Identifier: MIT
// status, files, config, metrics, clear-cache, log-level and version: each verb's text and JSON.

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "ctl/fake_mount.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using Strings = std::vector<std::string>;

constexpr const char* kDone = R"({"event":"done"})";

TEST_CASE("clear-cache says how much was forgotten", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"clear-cache",
           {R"({"event":"result","mappings":1234,"mapped_bytes":10485760,"inodes":7})", kDone}}}};
  CHECK(run_on(mount, {"clear-cache", "/mnt"}).output ==
        "forgot 1,234 mappings of 10.0 MiB and what the kernel kept of 7 inodes\n");
  CHECK(run_on(mount, {"clear-cache", "--json", "/mnt"}).output ==
        R"({"inodes":7,"mapped_bytes":10485760,"mappings":1234})"
        "\n");
  CHECK(mount.asked == Strings{"clear-cache", "clear-cache"});
}

TEST_CASE("log-level says the level that was and the one that is", "[ctl]") {
  FakeMount mount{
      .answers = {{"log-level", {R"({"event":"result","level":"debug","before":"info"})", kDone}}}};
  CHECK(run_on(mount, {"log-level", "/mnt", "debug"}).output == "log level debug, before info\n");
  CHECK(mount.asked == Strings{"log-level debug"});
}

TEST_CASE("version tells this program's, and the daemon's if a mount is named", "[ctl]") {
  FakeMount mount{
      .answers = {
          {"version", {R"({"event":"result","version":"0.9","libfuse":"3.18.3"})", kDone}}}};
  CHECK_THAT(run_on(mount, {"version"}).output, ContainsSubstring("mmapdirctl "));
  CHECK(mount.asked.empty());
  CHECK_THAT(run_on(mount, {"version", "/mnt"}).output,
             ContainsSubstring("mmapdirfs 0.9 (libfuse 3.18.3) serves /mnt"));
  CHECK_THAT(run_on(mount, {"version", "/mnt", "--json"}).output,
             ContainsSubstring(R"("daemon":{"libfuse":"3.18.3","version":"0.9"})"));
}

TEST_CASE("config lists each option, metrics go through as they are", "[ctl]") {
  FakeMount mount{.files = {{"config", R"({"cache":"auto","threads":16})"
                                       "\n"},
                            {"metrics", "mmapdirfs_up 1\n"}}};
  CHECK(run_on(mount, {"config", "/mnt"}).output == "cache = auto\nthreads = 16\n");
  CHECK(run_on(mount, {"config", "/mnt", "--json"}).output == R"({"cache":"auto","threads":16})"
                                                              "\n");
  CHECK(run_on(mount, {"metrics", "/mnt"}).output == "mmapdirfs_up 1\n");
}

TEST_CASE("files makes a line of each file, whatever its name is", "[ctl]") {
  FakeMount mount{
      .files = {
          {"files",
           R"({"path":"a\u001b[2Jb","inode":7,"size":8192,"resident_bytes":4096,"pinned_bytes":0,"opens":2,"reads":10,"read_bytes":40960,"read_path":"mapped"})"
           "\n"
           R"({"path":null,"inode":9,"size":0,"resident_bytes":0,"pinned_bytes":0,"opens":1,"reads":0,"read_bytes":0,"read_path":"passthrough"})"
           "\n"
           R"({"path":null,"inode":11,"size":4096,"resident_bytes":null,"pinned_bytes":0,"opens":0,"reads":0,"read_bytes":0,"read_path":"mapped"})"
           "\n"}}};
  const auto ran = run_on(mount, {"files", "/mnt"});
  CHECK(ran.status == 0);
  CHECK(ran.output ==
        "FILE           SIZE  RESIDENT  PINNED  OPENS  READS      READ  PATH\n"
        "a\\x1b[2Jb   8.0 KiB      50 %     0 B      2     10  40.0 KiB  mapped\n"
        "(inode 9)       0 B     100 %     0 B      1      0       0 B  passthrough\n"
        "(inode 11)  4.0 KiB         -     0 B      0      0       0 B  mapped\n");
  const auto json = run_on(mount, {"files", "/mnt", "--json"}).output;
  CHECK_THAT(json, ContainsSubstring(R"("inode":7)") && ContainsSubstring(R"("path":null)"));
  mount.files["files"] = "";
  CHECK(run_on(mount, {"files", "/mnt"}).output == "no file is open or mapped\n");
}

TEST_CASE("status is a summary for people, and the daemon's document for machines", "[ctl]") {
  FakeMount mount{
      .files = {
          {"status",
           R"({"version":"0.1.0","libfuse":"3.18.3","pid":42,"source":"/srv","mountpoint":"/mnt","read_only":true,
       "read_path":"passthrough","read_path_reason":"","transport":"/dev/fuse","uptime_seconds":200,"threads":16,
       "inodes":12,"open_files":3,"open_directories":1,"descriptors":{"used":20,"limit":1024},
       "mappings":{"count":5,"limit":32765,"mapped_bytes":1048576,"hits":9,"misses":5,"evictions":0,"refusals":0},
       "locks":{"held":1,"waiting":0},"watch":{"active":false,"reason":"the source is remote"},
       "invalidations":{"attributes":1,"pages":2,"names":3,"listings":4},
       "pins":{"files":1,"intended_bytes":8192,"pinned_bytes":4096},"hot_set":{"file":null},
       "operations":{"read":{"count":1000,"errors":{"EIO":2},"latency_microseconds":{"p50":8,"p90":12,"p99":40,"max":900}}}})"
           "\n"}}};
  const auto text = run_on(mount, {"status", "/mnt"}).output;
  CHECK_THAT(text, ContainsSubstring("mount         /srv on /mnt (read-only)\n"));
  CHECK_THAT(text, ContainsSubstring("up 3 min 20 s"));
  CHECK_THAT(text, ContainsSubstring("watch         off: the source is remote\n"));
  CHECK_THAT(text, ContainsSubstring("pinned        4.0 KiB of 8.0 KiB intended, in 1 file\n"));
  CHECK_THAT(text, ContainsSubstring("read       1,000    8   12   40  900  EIO 2\n"));
  CHECK_THAT(run_on(mount, {"status", "/mnt", "--json"}).output,
             ContainsSubstring(R"("read_path":"passthrough")"));
}

TEST_CASE("What an older or newer daemon doesn't tell is shown as nothing", "[ctl]") {
  FakeMount mount{.files = {{"status", "{}"}, {"files", R"({"size":"big"})"}}};
  CHECK(run_on(mount, {"status", "/mnt"}).status == 0);
  CHECK(run_on(mount, {"files", "/mnt"}).status == 0);
}

TEST_CASE("An answer that is none is a failure that says so", "[ctl]") {
  FakeMount mount{.files = {{"status", "rubbish\x1b"}},
                  .answers = {{"clear-cache", {"rubbish"}}, {"version", {}}}};
  const auto status = run_on(mount, {"status", "/mnt"});
  CHECK(status.status == 1);
  CHECK_THAT(status.messages, ContainsSubstring("rubbish\\x1b"));
  CHECK(run_on(mount, {"clear-cache", "/mnt"}).status == 1);
  const auto broken = run_on(mount, {"version", "/mnt"});
  CHECK(broken.status == 1);
  CHECK_THAT(broken.messages, ContainsSubstring("broke off"));
}

TEST_CASE("What the daemon refuses is told in its own words", "[ctl]") {
  FakeMount mount{
      .answers = {{"clear-cache", {R"({"event":"failed","errno":16,"message":"busy\u001b"})"}}}};
  const auto ran = run_on(mount, {"clear-cache", "/mnt"});
  CHECK(ran.status == 1);
  CHECK(ran.messages == "mmapdirctl: busy\\x1b\n");
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
