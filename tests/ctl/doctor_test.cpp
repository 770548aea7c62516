// SPDX-License-Identifier: MIT
// doctor, on machines that are made up of files.

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string_view>

#include "ctl/doctor/machine_checks.h"
#include "ctl/fake_mount.h"
#include "support/files.h"
#include "support/temporary_directory.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using mmapdir::test::must;
using mmapdir::test::TemporaryDirectory;
using mmapdir::test::write_file;

constexpr const char* kLimits =
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max open files            1024                 524288               files     \n"
    "Max locked memory         8388608              1073741824           bytes     \n";

// A machine that has all that a mount may want; each test takes something away.
class MadeUp {
 public:
  MadeUp() {
    set("proc/sys/kernel/osrelease", "6.18.1-amd64\n");
    set("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
    set("proc/self/uid_map", "         0          0 4294967295\n");
    set("proc/self/limits", kLimits);
    set("proc/sys/vm/max_map_count", "65530\n");
    set("proc/sys/fs/nr_open", "1048576\n");
    set("proc/sys/fs/fanotify/max_user_marks", "190000\n");
    set("proc/sys/fs/fanotify/max_queued_events", "16384\n");
    set("sys/module/fuse/parameters/enable_uring", "Y\n");
    set("etc/fuse.conf", "# comment\nuser_allow_other\n");
    set("dev/fuse", "");
    set("usr/bin/fusermount3", "");
    must(::chmod((directory_ / "usr/bin/fusermount3").c_str(), 04755), "chmod");
  }

  void set(std::string_view path, std::string_view content) {
    std::filesystem::create_directories((directory_ / path).parent_path());
    write_file(directory_ / path, content);
  }
  void remove(std::string_view path) { std::filesystem::remove(directory_ / path); }

  Machine machine() const {
    return {.root = directory_.path(),
            .user = user,
            .libfuse_version = libfuse,
            .has_cachestat = [this] { return cachestat; }};
  }

  Ran doctor(const std::vector<std::string>& words = {}, FakeMount mount = {}) const {
    std::vector<std::string> arguments{"doctor"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    return run_on(mount, arguments, {}, machine());
  }

  uid_t user = 0;
  std::string libfuse = "3.18.3";
  bool cachestat = true;

 private:
  TemporaryDirectory directory_;
};

TEST_CASE("On a machine that has everything doctor finds nothing to do", "[ctl]") {
  const auto ran = MadeUp().doctor();
  CHECK(ran.status == 0);
  CHECK_FALSE(ran.output.contains("->"));
  CHECK_THAT(ran.output, ContainsSubstring("ok    kernel            Linux 6.18.1-amd64\n") &&
                             ContainsSubstring("ok    passthrough       can be had\n"));
  const auto json = MadeUp().doctor({"--json"}).output;
  CHECK_THAT(json,
             ContainsSubstring(
                 R"({"advice":"","check":"kernel","found":"Linux 6.18.1-amd64","verdict":"ok"})"));
}

TEST_CASE("What keeps a mount from working fails, with what to do about it", "[ctl]") {
  MadeUp made_up;
  SECTION("no device") {
    made_up.remove("dev/fuse");
    CHECK_THAT(made_up.doctor().output,
               ContainsSubstring("fail  /dev/fuse") && ContainsSubstring("modprobe fuse"));
  }
  SECTION("an old kernel") {
    made_up.set("proc/sys/kernel/osrelease", "5.4.0");
    CHECK_THAT(made_up.doctor().output,
               ContainsSubstring("fail  kernel") && ContainsSubstring("Linux 5.6"));
  }
  SECTION("an old libfuse") {
    made_up.libfuse = "3.14.0";
    CHECK_THAT(made_up.doctor().output, ContainsSubstring("fail  libfuse"));
  }
  SECTION("a user without fusermount3") {
    made_up.user = 1000;
    made_up.remove("usr/bin/fusermount3");
    CHECK_THAT(made_up.doctor().output,
               ContainsSubstring("fail  fusermount3") && ContainsSubstring("package fuse3"));
  }
  CHECK(made_up.doctor().status == 1);
}

TEST_CASE("What only costs speed or comfort is a warning, and no failure", "[ctl]") {
  MadeUp made_up;
  const auto check_warns = [&](const std::string& check, const std::string& advice) {
    const auto ran = made_up.doctor();
    CHECK(ran.status == 0);
    CHECK_THAT(ran.output, ContainsSubstring("warn  " + check) && ContainsSubstring(advice));
  };
  SECTION("no capability") {
    made_up.set("proc/self/status", "CapEff:\t0000000000000000\n");
    check_warns("passthrough", "mount as root");
  }
  SECTION("a container's user namespace") {
    made_up.set("proc/self/uid_map", "0 100000 65536\n");
    check_warns("passthrough", "outside the container");
  }
  SECTION("a kernel without passthrough") {
    made_up.set("proc/sys/kernel/osrelease", "6.1.0-42-amd64");
    check_warns("kernel", "6.9");
  }
  SECTION("a user whose mounts are his alone") {
    made_up.user = 1000;
    made_up.set("etc/fuse.conf", "#user_allow_other\n");
    check_warns("user_allow_other", "root adds that line");
  }
  SECTION("little memory to be locked") {
    made_up.set("proc/self/status", "CapEff:\t0000000000000000\n");
    made_up.set("proc/self/limits", "Max locked memory         65536  65536  bytes\n");
    check_warns("RLIMIT_MEMLOCK", "LimitMEMLOCK=");
  }
  SECTION("few descriptors") {
    made_up.set("proc/self/status", "CapEff:\t0000000000000000\n");
    made_up.set("proc/self/limits", "Max open files            256  1024  files\n");
    check_warns("RLIMIT_NOFILE", "LimitNOFILE=");
  }
  SECTION("few descriptors, also for who may raise the limit") {
    made_up.set("proc/sys/fs/nr_open", "1024\n");
    check_warns("RLIMIT_NOFILE", "fs.nr_open");
  }
  SECTION("few mappings") {
    made_up.set("proc/sys/vm/max_map_count", "1000\n");
    check_warns("vm.max_map_count", "sysctl");
  }
  SECTION("few watches") {
    made_up.set("proc/sys/fs/fanotify/max_user_marks", "10\n");
    check_warns("fanotify", "max_user_marks");
  }
}

TEST_CASE("What nobody has to have is told without a warning", "[ctl]") {
  MadeUp made_up;
  made_up.cachestat = false;
  made_up.set("sys/module/fuse/parameters/enable_uring", "N\n");
  made_up.set("proc/self/limits", "Max locked memory         unlimited  unlimited  bytes\n");
  const auto ran = made_up.doctor();
  CHECK(ran.status == 0);
  CHECK_FALSE(ran.output.contains("warn"));
  CHECK_THAT(ran.output, ContainsSubstring("echo 1 > /sys/module/fuse/parameters/enable_uring"));
}

TEST_CASE("A machine of which nothing can be read is told as such, not crashed on", "[ctl]") {
  const TemporaryDirectory nothing;
  FakeMount mount;
  const auto ran =
      run_on(mount, {"doctor"}, {},
             {.root = nothing.path(), .user = 1, .has_cachestat = [] { return true; }});
  CHECK(ran.status == 1);
  CHECK_THAT(ran.output, ContainsSubstring("fail  kernel            Linux unknown"));
}

TEST_CASE("A source and a mount point are checked before they are mounted", "[ctl]") {
  const MadeUp made_up;
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "inside");
  const auto inside = made_up.doctor({source.path().string(), (source / "inside").string()});
  CHECK(inside.status == 1);
  CHECK_THAT(inside.output, ContainsSubstring("fail  directories") &&
                                ContainsSubstring("lie one inside the other"));
  const auto missing = made_up.doctor({(source / "nothing").string(), "/nonexistent"});
  CHECK(missing.status == 1);
  CHECK_THAT(missing.output, ContainsSubstring("fail  source"));
}

TEST_CASE("A mount that is there is asked how it is doing", "[ctl]") {
  const MadeUp made_up;
  const TemporaryDirectory source;
  const auto ran = made_up.doctor(
      {"/mnt"},
      {.files = {
           {"status",
            R"({"source":")" + source.path().string() +
                R"(","read_path":"mapped","read_path_reason":"CAP_SYS_ADMIN is missing",)"
                R"("watch":{"active":false,"reason":"fs.fanotify.max_user_marks is reached"}})"}}});
  CHECK(ran.status == 0);
  CHECK_THAT(ran.output, ContainsSubstring("ok    mount") &&
                             ContainsSubstring("-> CAP_SYS_ADMIN is missing") &&
                             ContainsSubstring("-> fs.fanotify.max_user_marks is reached"));
  CHECK(made_up.doctor({"/mnt"}).status == 1);
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
