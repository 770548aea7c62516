// SPDX-License-Identifier: MIT
// A daemon in a pid namespace of its own, as in a container: requests of all callers outside of it
// come as thread 0, and those of callers inside have numbers that /proc may give to others.

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <optional>

#include "parity_answer.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr gid_t kGroup = 50;

// What is executed next runs in a new pid namespace, as its first process; the caller's waits.
void enter_own_pid_namespace() {
  must(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
  must(::unshare(CLONE_NEWPID), "unshare");
  const pid_t inner = must(::fork(), "fork");
  if (inner == 0) {
    return;
  }
  int status = 0;
  must(::waitpid(inner, &status, 0), "waitpid");
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

MountSetup unseeing(const ReadPath& path) {
  return {.options = with_option(path, "-oallow_other"), .before = enter_own_pid_namespace};
}

std::string version(unsigned number) {
  return std::string(1000 + (number % 3000), static_cast<char>('a' + (number % 26)));
}

// An exchange, since ext4 waits for the disk when a rename drops a file.
void replace(const Path& directory, unsigned number) {
  write_file(directory / "spare", version(number));
  must(::renameat2(AT_FDCWD, (directory / "spare").c_str(), AT_FDCWD, (directory / "file").c_str(),
                   RENAME_EXCHANGE),
       "renameat2");
  std::filesystem::remove(directory / "spare");
}

// What is wrong with the file, if anything is.
std::string fault_of(const Path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return errno_name(errno);
  }
  const std::string bytes = read_at(fd.get(), 5'000, 0);
  return !bytes.empty() && bytes == std::string(bytes.size(), bytes.front()) ? "" : "torn";
}

TEST_CASE("A name that is replaced all the time opens for callers that the daemon doesn't see",
          "[unseen_callers]") {
  require_root();
  const ReadPath path = each_read_path();
  const bool replaces_on_source = GENERATE(true, false);
  const TemporaryDirectory source;
  write_file(source / "file", version(0));
  const Mount mount(source.path(), unseeing(path));
  CAPTURE(replaces_on_source);
  const Process replacer = Process::call([&]() -> int {
    for (unsigned number = 1;; ++number) {
      replace(replaces_on_source ? source.path() : mount.root(), number);
    }
  });
  constexpr int kOpens = 1'500;
  std::vector<Process> clients;
  for (int client = 0; client < 4; ++client) {
    clients.push_back(Process::call([&] {
      for (int i = 0; i < kOpens; ++i) {
        if (const std::string fault = fault_of(mount / "file"); !fault.empty()) {
          fmt::print(stderr, "open {} of {}: {}\n", i, kOpens, fault);
          return 1;
        }
      }
      return 0;
    }));
  }
  for (Process& client : clients) {
    CHECK(client.wait(kPatience * 3) == 0);
  }
}

TEST_CASE(
    "A file that was deleted on the source isn't opened by callers that the daemon doesn't see",
    "[unseen_callers]") {
  require_root();
  const TemporaryDirectory source;
  const Mount mount(source.path(), unseeing(each_read_path()));
  write_file(source / "file", version(0));
  for (unsigned turn = 1; turn < 100; ++turn) {
    // While others are being told that what they open has been replaced.
    REQUIRE(fault_of(mount / "file").empty());
    replace(source.path(), turn);
    REQUIRE(fault_of(mount / "file").empty());
    const std::string journal = fmt::format("journal-{}", turn);  // never absent before
    write_file(source / journal, "hot");
    REQUIRE(read_file(mount / journal) == "hot");
    std::filesystem::remove(source / journal);
    REQUIRE(fault_of(mount / journal) == "ENOENT");
  }
}

TEST_CASE("Callers that the daemon doesn't see open a file without a name by its descriptor",
          "[unseen_callers]") {
  require_root();
  const TemporaryDirectory source;
  const Mount mount(source.path(), unseeing(each_read_path()));
  for (int turn = 0; turn < 20; ++turn) {
    write_file(source / "file", "content");
    const UniqueFd fd = open_fd(mount / "file", O_RDONLY);
    std::filesystem::remove(mount / "file");
    CHECK(read_file(fmt::format("/proc/self/fd/{}", fd.get())) == "content");
  }
}

// A child with the number `pid` in the namespace that children of this process are born into.
pid_t fork_as(pid_t pid) {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<std::uint64_t>(&pid);
  arguments.set_tid_size = 1;
  return must(static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments)), "clone3");
}

void become(const std::vector<gid_t>& groups) {
  const User user = ordinary_user();
  must(::setgroups(groups.size(), groups.data()), "setgroups");
  must(::setresgid(user.gid, user.gid, user.gid), "setresgid");
  must(::setresuid(user.uid, user.uid, user.uid), "setresuid");
}

TEST_CASE("A caller is never taken for the one that has its number in another pid namespace",
          "[unseen_callers]") {
  require_root();
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  must(::chown((source / "file").c_str(), 0, kGroup), "chown");
  must(::chmod((source / "file").c_str(), 02666), "chmod");
  Mount mount(source.path(), unseeing({"--read-path=mapped"}));
  // In the group, and out here, where the daemon's /proc is.
  const Process member = Process::call([]() -> int {
    become({kGroup});
    return ::pause();
  });
  const Outcome writer = run_function([&] {
    const std::string inside = fmt::format("/proc/{}/ns/pid_for_children", mount.daemon().pid());
    must(::setns(open_fd(inside, O_RDONLY).get(), CLONE_NEWPID), "setns");
    const pid_t child = fork_as(member.pid());
    if (child == 0) {
      become({});
      const UniqueFd fd = open_fd(mount / "file", O_WRONLY);
      ::_exit(::write(fd.get(), "C", 1) == 1 ? 0 : 1);
    }
    int status = 0;
    must(::waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  });
  CAPTURE(writer.error);
  REQUIRE(writer.status == 0);
  struct stat found{};
  must(::stat((source / "file").c_str(), &found), "stat");
  CHECK((found.st_mode & S_ISGID) == 0);
}

}  // namespace
}  // namespace mmapdir::test
