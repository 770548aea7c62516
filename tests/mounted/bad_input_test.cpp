// SPDX-License-Identifier: MIT
// What can't be mounted gets a message that names it, and nothing is left mounted.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <utility>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr const char* kFuseSettings = "/etc/fuse.conf";

// A command that has to fail. With a constructor, since a table of its rows names no fields.
struct Refusal {
  Refusal(std::vector<std::string> given, std::vector<std::string> told, int expected)
      : arguments(std::move(given)), named(std::move(told)), status(expected) {}

  std::vector<std::string> arguments;
  // What the message has to name.
  std::vector<std::string> named;
  int status;
};

void check_refused(const Refusal& refusal, const ProcessSetup& setup = {}) {
  std::vector<std::string> command{daemon_program()};
  command.insert(command.end(), refusal.arguments.begin(), refusal.arguments.end());
  const auto before = mounts_under("/");
  const Outcome outcome = run(command, setup);
  CAPTURE(refusal.arguments, outcome.output, outcome.error);
  CHECK(outcome.status == refusal.status);
  CHECK(!outcome.error.empty());
  CHECK(!outcome.error.contains("terminate called"));
  for (const std::string& name : refusal.named) {
    CAPTURE(name);
    CHECK(outcome.error.contains(name));
  }
  // Others may mount and unmount meanwhile: only what this test could have mounted counts.
  for (const std::string& argument : refusal.arguments) {
    if (argument.starts_with('/')) {
      CHECK(std::ranges::count(mounts_under("/"), argument) ==
            std::ranges::count(before, argument));
    }
  }
}

struct Directories {
  Directories() {
    std::filesystem::create_directory(source);
    std::filesystem::create_directory(point);
    write_file(file, "not a directory");
  }
  TemporaryDirectory all;
  std::string source = all / "source";
  std::string point = all / "mnt";
  std::string file = all / "file";
};

TEST_CASE("A command line that makes no sense is refused with status 2", "[bad_input]") {
  const Directories at;
  const auto with = [&](const std::string& option) {
    return std::vector<std::string>{option, at.source, at.point};
  };
  const std::vector<Refusal> refusals{
      {{}, {"SOURCE", "MOUNTPOINT"}, 2},
      {{at.source}, {"MOUNTPOINT"}, 2},
      {{at.source, at.point, "third"}, {"MOUNTPOINT"}, 2},
      {with("--frobnicate"), {"frobnicate"}, 2},
      {with("-z"), {"z"}, 2},
      {with("-ofrobnicate"), {"frobnicate"}, 2},
      {with("--read-path=fast"), {"fast", "passthrough", "mapped", "plain"}, 2},
      {with("-oread-path=fast"), {"fast", "passthrough"}, 2},
      {with("--cache=sometimes"), {"sometimes", "never"}, 2},
      {with("--log-level=loud"), {"loud", "debug"}, 2},
      {with("--threads=0"), {"threads", "1", "256"}, 2},
      {with("--threads=257"), {"threads", "1", "256"}, 2},
      {with("--threads=-1"), {"threads", "256"}, 2},
      {with("--threads=many"), {"threads", "many", "256"}, 2},
      {with("--threads=99999999999999999999"), {"threads", "256"}, 2},
      {with("--threads="), {"threads"}, 2},
      {with("--max-mappings=0"), {"max-mappings", "1"}, 2},
      {with("-oro,rw"), {"ro", "rw"}, 2},
      {{"--cache=never", "-ocache=auto", at.source, at.point}, {"cache"}, 2},
      {{"--read-path=plain", "--read-path=mapped", at.source, at.point}, {"read-path"}, 2},
      {{at.source, at.point, "--threads"}, {"threads"}, 2},
      {{"-o"}, {"-o"}, 2},
  };
  for (const Refusal& refusal : refusals) {
    check_refused(refusal);
  }
}

TEST_CASE("A hot set within the mount, which would be there for the mount only, is refused",
          "[bad_input]") {
  require_fuse();
  const Directories at;
  for (const std::string& inside : {at.point + "/hot", at.point + "/none/../hot"}) {
    check_refused({{"--hot-set=" + inside, at.source, at.point}, {inside, "outside"}, 1});
  }
}

TEST_CASE("A source or mount point that isn't a directory is refused and named", "[bad_input]") {
  require_fuse();
  const Directories at;
  const std::string none = at.all / "none";
  must(::symlink("nowhere", (at.all / "dangling").c_str()), "symlink");
  for (const std::string& wrong : {none, at.file, std::string(at.all / "dangling")}) {
    check_refused({{wrong, at.point}, {wrong}, 1});
    check_refused({{at.source, wrong}, {wrong}, 1});
    check_refused({{"-f", at.source, wrong}, {wrong}, 1});
  }
  check_refused({{"", at.point}, {}, 1});
}

TEST_CASE("A source that can't be read is refused and named", "[bad_input]") {
  require_ordinary_user();
  const Directories at;
  const User user = ordinary_user();
  must(::chmod(at.source.c_str(), 0700), "chmod");
  must(::chown(at.point.c_str(), user.uid, user.gid), "chown");
  check_refused({{at.source, at.point}, {at.source}, 1}, {.user = user});
}

TEST_CASE("A mount point that belongs to somebody else is refused and named", "[bad_input]") {
  require_ordinary_user();
  const Directories at;
  check_refused({{at.source, at.point}, {at.point}, 1}, {.user = ordinary_user()});
}

TEST_CASE("Source and mount point inside each other are refused, by any name", "[bad_input]") {
  require_fuse();
  const Directories at;
  const std::string inside = at.source + "/inside";
  std::filesystem::create_directory(inside);
  const std::string link = at.all / "link";
  must(::symlink("source/inside", link.c_str()), "symlink");
  check_refused({{at.source, at.source}, {at.source}, 1});
  check_refused({{at.source, inside}, {inside}, 1});
  check_refused({{inside, at.source}, {inside}, 1});
  check_refused({{at.source, link}, {at.source}, 1});
  check_refused({{link, at.source}, {at.source}, 1});
  check_refused({{at.source + "/../source", inside + "/."}, {"source"}, 1});
}

TEST_CASE("Source and mount point inside each other through a bind mount are refused",
          "[bad_input]") {
  require_root();
  require_fuse();
  const Directories at;
  const std::string inside = at.source + "/inside";
  std::filesystem::create_directory(inside);
  const std::string view = at.all / "view";
  std::filesystem::create_directory(view);
  const KernelMount bound = KernelMount::bind(at.source, view);
  check_refused({{at.source, view + "/inside"}, {"inside"}, 1});
  check_refused({{view + "/inside", at.source}, {"inside"}, 1});
  check_refused({{view, at.source}, {at.source}, 1});
}

TEST_CASE("Mounting the same source again warns, succeeds and mounts nothing new", "[bad_input]") {
  const Directories at;
  write_file(at.source + "/file", "there");
  const Mount mount(at.source);
  const Outcome again = run({daemon_program(), at.source, mount.root()});
  INFO(again.error);
  CHECK(again.status == 0);
  CHECK(again.error.contains(mount.root().string()));
  CHECK(mounts_under(mount.root()).size() == 1);
  CHECK(read_file(mount / "file") == "there");
}

TEST_CASE("Mounting another source over a mount of ours is refused", "[bad_input]") {
  const Directories at;
  const std::string other = at.all / "other";
  std::filesystem::create_directory(other);
  const Mount mount(at.source);
  check_refused({{other, mount.root()}, {mount.root(), at.source}, 1});
  CHECK(mounts_under(mount.root()).size() == 1);
}

TEST_CASE("A mount whose daemon was killed is named, with how to take it away", "[bad_input]") {
  const Directories at;
  Mount mount(at.source);
  mount.daemon().signal(SIGKILL);
  REQUIRE(mount.daemon().wait(kPatience) == 128 + SIGKILL);
  check_refused({{at.source, mount.root()}, {mount.root(), "umount"}, 1});
}

TEST_CASE("Without /dev/fuse the message names it", "[bad_input]") {
  require_root();
  const Directories at;
  check_refused({{at.source, at.point}, {"/dev/fuse"}, 1}, {.before = [] {
                  enter_private_mount_namespace();
                  must(::mount("tmpfs", "/dev", "tmpfs", 0, nullptr), "hide /dev");
                }});
}

TEST_CASE("An ordinary user without fusermount3 is told that it is missing", "[bad_input]") {
  require_ordinary_user();
  const Directories at;
  const User user = ordinary_user();
  must(::chown(at.point.c_str(), user.uid, user.gid), "chown");
  ProcessSetup setup{.user = user, .before = [] {
                       enter_private_mount_namespace();
                       for (const char* program : {"/usr/bin/fusermount3", "/bin/fusermount3"}) {
                         // Absent it may be, or hidden already by the other name.
                         ::mount("/dev/null", program, nullptr, MS_BIND, nullptr);
                       }
                     }};
  check_refused({{at.source, at.point}, {"fusermount3"}, 1}, setup);
  setup.environment = std::vector<std::string>{"PATH=/nonexistent"};
  check_refused({{at.source, at.point}, {"fusermount3"}, 1}, setup);
}

TEST_CASE("What libfuse or the kernel refuses is reported, and nothing is mounted", "[bad_input]") {
  require_ordinary_user();
  const Directories at;
  const User user = ordinary_user();
  must(::chown(at.point.c_str(), user.uid, user.gid), "chown");
  // Only root may, unless fuse.conf lets everybody: this one doesn't, and nor does none.
  const std::string settings = at.all / "fuse.conf";
  write_file(settings, "# nobody else\n");
  const auto bring_settings = [&] {
    enter_private_mount_namespace();
    if (::access(kFuseSettings, F_OK) == 0) {
      must(::mount(settings.c_str(), kFuseSettings, nullptr, MS_BIND, nullptr), "hide fuse.conf");
    }
  };
  check_refused({{"-oallow_other", at.source, at.point}, {"allow_other"}, 1},
                {.user = user, .before = bring_settings});
}

}  // namespace
}  // namespace mmapdir::test
