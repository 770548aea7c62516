// SPDX-License-Identifier: MIT
// A mount's life: when the command returns, what ends the daemon, and what it leaves behind.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

// A source with one file, and an empty directory to mount it on.
struct Directories {
  Directories() {
    std::filesystem::create_directory(source());
    std::filesystem::create_directory(point());
    write_file(source() / "file", pattern(4 << 20U, 1));
  }
  std::filesystem::path source() const { return all / "source"; }
  std::filesystem::path point() const { return all / "mnt"; }

  TemporaryDirectory all;
};

// A mount whose daemon went behind: an orphan then, and those come to the test while it is
// subreaper. A resource type.
class BackgroundMount {
 public:
  explicit BackgroundMount(const Directories& where)
      : BackgroundMount(where, {where.source(), where.point()}, {}) {}

  BackgroundMount(const Directories& where, const std::vector<std::string>& paths,
                  const ProcessSetup& setup)
      : point_(where.point()) {
    require_fuse();
    must(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
    std::vector<std::string> command{daemon_program()};
    command.insert(command.end(), paths.begin(), paths.end());
    outcome_ = run(command, setup);
    for (const pid_t pid : children()) {
      daemon_.emplace(pid);
    }
  }
  BackgroundMount(const BackgroundMount&) = delete;
  BackgroundMount& operator=(const BackgroundMount&) = delete;
  ~BackgroundMount() {
    if (daemon_ && daemon_->running()) {
      daemon_->signal(SIGTERM);
      daemon_->wait(kPatience);
    }
    ::umount2(point_.c_str(), MNT_DETACH);
  }

  const Outcome& outcome() const { return outcome_; }

  Process& daemon() {
    INFO(outcome_.error);
    REQUIRE(outcome_.status == 0);
    if (!daemon_) {
      throw std::runtime_error("no daemon went behind");
    }
    return *daemon_;
  }

 private:
  std::filesystem::path point_;
  Outcome outcome_;
  std::optional<Process> daemon_;
};

int unmount(const std::filesystem::path& point) {
  return ::geteuid() == 0 ? ::umount2(point.c_str(), 0)
                          : run({"fusermount3", "-u", point.string()}).status;
}

TEST_CASE("The command returns with status 0 once the mount answers", "[lifecycle]") {
  const Directories where;
  const BackgroundMount mount(where);
  // At once: nothing may have to be waited for.
  const std::string content = read_file(where.point() / "file");
  INFO(mount.outcome().error);
  CHECK(mount.outcome().status == 0);
  CHECK(difference(content, read_file(where.source() / "file")).empty());
  CHECK(mounts_under(where.point()).size() == 1);
  CHECK(mount.outcome().output.empty());
}

TEST_CASE("umount ends the daemon in the background, with status 0", "[lifecycle]") {
  const Directories where;
  BackgroundMount mount(where);
  Process& daemon = mount.daemon();
  CHECK(unmount(where.point()) == 0);
  CHECK(daemon.wait(kPatience) == 0);
  CHECK(mounts_under(where.point()).empty());
}

TEST_CASE("The daemon in the background keeps no directory busy and no terminal", "[lifecycle]") {
  const Directories where;
  BackgroundMount mount(where);
  Process& daemon = mount.daemon();
  CHECK(std::filesystem::read_symlink("/proc/" + std::to_string(daemon.pid()) + "/cwd") == "/");
  CHECK(::getsid(daemon.pid()) != ::getsid(0));
  CHECK(unmount(where.point()) == 0);
  CHECK(daemon.wait(kPatience) == 0);
}

TEST_CASE("Relative paths are taken from where the command was given", "[lifecycle]") {
  const Directories where;
  BackgroundMount mount(where, {"source", "mnt"},
                        {.before = [&] { std::filesystem::current_path(where.all.path()); }});
  Process& daemon = mount.daemon();
  CHECK(names_in(where.point()) == std::vector<std::string>{"file"});
  CHECK(unmount(where.point()) == 0);
  CHECK(daemon.wait(kPatience) == 0);
}

TEST_CASE("umount ends the daemon in front, with status 0", "[lifecycle]") {
  const Directories where;
  Mount mount(where.source());
  CHECK(mount.mounted());
  CHECK(mount.unmount() == 0);
  CHECK(mount.daemon().wait(kPatience) == 0);
}

// What the kernel says at the device's last reading isn't always the same.
TEST_CASE("The daemon ends with status 0 if its reading is aborted and the mount is gone",
          "[lifecycle]") {
  require_strace();
  const Directories where;
  // No leaks are looked for at the end: LeakSanitizer can't trace what strace traces, and fails.
  Mount mount(where.source(), {.before = [] {
                // NOLINTNEXTLINE(concurrency-mt-unsafe): the child has one thread
                must(::setenv("ASAN_OPTIONS", "detect_leaks=0", 1), "setenv");
              }});
  const UniqueFd root = open_fd(mount.root(), O_RDONLY | O_DIRECTORY);
  bool is_gone = true;
  SECTION("gone") { must(::umount2(mount.root().c_str(), MNT_DETACH), "umount2"); }
  SECTION("still there") { is_gone = false; }
  // Not each thread's first, which strace's coming lets begin anew.
  const Strace strace(mount.daemon(), {"-P", "/dev/fuse", "-e", "trace=read", "-e",
                                       "inject=read:error=ECONNABORTED:when=2+"});
  int asked = 0;
  CHECK(eventually(
      [&] {
        ::faccessat(root.get(), std::to_string(++asked).c_str(), F_OK, 0);
        return !mount.daemon().running();
      },
      kPatience));
  CHECK(mount.daemon().wait(kPatience) == (is_gone ? 0 : 1));
  CHECK(mount.log().contains("serve: Software caused connection abort") != is_gone);
}

TEST_CASE("A signal unmounts an idle mount and ends the daemon with status 0", "[lifecycle]") {
  const Directories where;
  const int number = GENERATE(SIGINT, SIGTERM, SIGHUP);
  CAPTURE(number);
  Mount mount(where.source());
  mount.daemon().signal(number);
  CHECK(mount.daemon().wait(kPatience) == 0);
  CHECK(!mount.mounted());
}

// Tells through the pipe that it reads, and goes on until a read fails.
int read_until_error(const std::filesystem::path& path, int started) {
  const UniqueFd file = open_fd(path, O_RDONLY);
  std::string buffer(1U << 20U, '\0');
  for (int round = 0;; ++round) {
    for (off_t offset = 0; offset < 4 << 20U; offset += 1 << 20U) {
      if (::pread(file.get(), buffer.data(), buffer.size(), offset) < 0) {
        return 0;
      }
    }
    if (round == 0) {
      must(::write(started, "r", 1), "write");
    }
  }
}

TEST_CASE("A signal unmounts in the midst of reading", "[lifecycle]") {
  const ReadPath path = each_read_path();
  const int number = GENERATE(SIGINT, SIGTERM);
  CAPTURE(number);
  const Directories where;
  Mount mount(where.source(), {.options = path});
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  const UniqueFd started(ends[0]);
  const UniqueFd starting(ends[1]);
  const Process reader =
      Process::call([&] { return read_until_error(mount / "file", starting.get()); });
  char byte = 0;
  REQUIRE(::read(started.get(), &byte, 1) == 1);

  mount.daemon().signal(number);
  CHECK(mount.daemon().wait(kPatience) == 0);
  CHECK(!mount.mounted());
}

TEST_CASE("After unmounting, the same source can be mounted again", "[lifecycle]") {
  const Directories where;
  for (int round = 0; round < 3; ++round) {
    const Mount mount(where.source());
    CHECK(names_in(mount.root()) == std::vector<std::string>{"file"});
  }
}

TEST_CASE("Help and version are printed with status 0, and nothing is mounted", "[lifecycle]") {
  for (const auto& [option, expected] : {std::pair{"--help", "MOUNTPOINT"},
                                         {"-h", "--read-path"},
                                         {"--version", "mmapdirfs"},
                                         {"-V", "mmapdirfs"}}) {
    CAPTURE(option);
    const Outcome outcome = run({daemon_program(), option});
    CHECK(outcome.status == 0);
    CHECK(outcome.output.contains(expected));
    CHECK(outcome.error.empty());
  }
}

TEST_CASE("Mount options that fstab holds are taken, and fsname shows in the mount table",
          "[lifecycle]") {
  const Directories where;
  const Mount mount(where.source(),
                    {.options = {"-o",
                                 "ro,noatime,nodev,nosuid,defaults,noauto,nofail,_netdev,"
                                 "x-systemd.automount,fsname=an-index",
                                 "-o", "read-path=mapped,cache=never"}});
  CHECK(mount.ready_line().contains("mapped"));
  std::ifstream table("/proc/self/mounts");
  std::string found;
  for (std::string line; std::getline(table, line);) {
    found = line.contains(mount.root().string()) ? line : found;
  }
  CAPTURE(found);
  CHECK(found.starts_with("an-index "));
  CHECK(found.contains(" fuse.mmapdirfs ro,"));
  CHECK(found.contains("nodev"));
  CHECK(found.contains("nosuid"));
}

TEST_CASE("In the background the log goes to syslog", "[syslog]") {
  constexpr const char* kLog = "/dev/log";
  require_root();
  if (std::filesystem::exists(std::filesystem::symlink_status(kLog))) {
    skip("this machine has a syslog, whose messages can't be read in its place");
  }
  const UniqueFd log(must(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(static_cast<char*>(address.sun_path), kLog, sizeof address.sun_path - 1);
  // bind(2) takes every kind of address through this type.
  must(::bind(log.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  must(::setsockopt(log.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "setsockopt");

  const Directories where;
  {
    const BackgroundMount mount(where);
    CHECK(mount.outcome().status == 0);
  }
  // What was said before the daemon went behind was for the shell; what it says now is for syslog.
  // Other daemons may talk at the same time.
  std::string message;
  while (!message.contains("unmounted") || !message.contains(where.point().string())) {
    message.resize(4096);
    const ssize_t got = ::recv(log.get(), message.data(), message.size(), 0);
    if (got <= 0) {
      break;
    }
    message.resize(static_cast<std::size_t>(got));
  }
  ::unlink(kLog);
  CHECK(message.contains("mmapdirfs"));
  CHECK(message.contains(where.point().string()));
}

}  // namespace
}  // namespace mmapdir::test
