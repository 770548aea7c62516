// SPDX-License-Identifier: MIT
// Requests come over io_uring where that is asked for, and nothing else changes by it.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kMiB = std::size_t{1} << 20U;

std::vector<std::string> over_io_uring(const ReadPath& path = {"--read-path=mapped"}) {
  return with_option(path, "--io-uring=on");
}

// Without the kernel's pages each read is a request.
std::vector<std::string> uncached() { return with_option(over_io_uring(), "--cache=never"); }

// The fuse module's leave to use io_uring is taken away for a while.
class ForbiddenIoUring {
 public:
  ForbiddenIoUring() { set("0"); }
  ForbiddenIoUring(const ForbiddenIoUring&) = delete;
  ForbiddenIoUring& operator=(const ForbiddenIoUring&) = delete;
  ~ForbiddenIoUring() { set("1"); }

 private:
  static void set(const char* value) {
    std::ofstream("/sys/module/fuse/parameters/enable_uring") << value;
  }
};

// What becomes of a daemon that isn't to come up.
Outcome refused(const Path& source, const Path& point) {
  return run({daemon_program(), "-f", "--io-uring=on", source, point});
}

TEST_CASE("The transport that is used is announced", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  CHECK(Mount(source.path(), {.options = over_io_uring()}).ready_line().contains("over io_uring"));
  CHECK(Mount(source.path(), {.options = {"--io-uring=off"}}).ready_line().contains("/dev/fuse"));
}

TEST_CASE("Over io_uring requests are of up to 1 MiB", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = with_option(over_io_uring(), "--log-level=debug")});
  CHECK(mount.log().contains("requests of up to 1024 KiB over io_uring"));
}

TEST_CASE("Auto uses io_uring where the kernel allows it", "[io_uring][switches-uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  CHECK(Mount(source.path(), {.options = {"--io-uring=auto"}})
            .ready_line()
            .contains("over io_uring"));
  const ForbiddenIoUring forbidden;
  CHECK(Mount(source.path(), {.options = {"--io-uring=auto"}}).ready_line().contains("/dev/fuse"));
}

TEST_CASE("Asking for io_uring that the kernel doesn't allow is an error that says how to get it",
          "[io_uring][switches-uring]") {
  require_io_uring();
  const ForbiddenIoUring forbidden;
  const TemporaryDirectory source;
  const TemporaryDirectory point;
  const Outcome outcome = refused(source.path(), point.path());
  CHECK(outcome.status == 1);
  CHECK(outcome.error.contains("/sys/module/fuse/parameters/enable_uring"));
  CHECK(mounts_under(point.path()).empty());
}

TEST_CASE("Over io_uring each read path reads the same bytes", "[io_uring]") {
  require_io_uring();
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern((3 * kMiB) + 4711, 1);
  write_file(source / "file", content);
  write_file(source / "empty", "");
  const Mount mount(source.path(), {.options = over_io_uring(path)});
  CHECK(difference(read_file(mount / "file"), content).empty());
  CHECK(read_file(mount / "empty").empty());
  CHECK(names_in(mount.root()) == names_in(source.path()));
}

TEST_CASE("Over io_uring what is written arrives on the source", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = over_io_uring()});
  const std::string content = pattern((2 * kMiB) + 123, 2);
  write_file(mount / "made", content);
  CHECK(difference(read_file(source / "made"), content).empty());
  std::filesystem::rename(mount / "made", mount / "renamed");
  CHECK(names_in(source.path()) == std::vector<std::string>{"renamed"});
}

TEST_CASE("Over io_uring a truncation under a mapping is EIO for the reader alone", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  write_file(source / "file", pattern(kMiB, 3));
  write_file(source / "other", "other");
  Mount mount(source.path(), {.options = uncached()});
  const UniqueFd file = open_fd(mount / "file", O_RDONLY);
  std::string bytes(kMiB, '\0');
  REQUIRE(::pread(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(kMiB));
  // A hole is punched into the mapping's file by cutting it off and making it as long again between
  // the daemon's look at the length and its copy; so often that it happens.
  Process cutter = Process::call([&] {
    for (;;) {
      must(::truncate((source / "file").c_str(), 0), "truncate");
      must(::truncate((source / "file").c_str(), kMiB), "truncate");
    }
    return 0;
  });
  int failures = 0;
  for (int i = 0; i < 200'000 && failures == 0; ++i) {
    if (::pread(file.get(), bytes.data(), bytes.size(), 0) < 0) {
      CHECK(errno == EIO);
      ++failures;
    }
  }
  cutter.signal(SIGKILL);
  CHECK(cutter.wait() == 128 + SIGKILL);
  CHECK(failures == 1);
  CHECK(mount.daemon().running());
  CHECK(read_file(mount / "other") == "other");
}

TEST_CASE("Over io_uring a wait for a lock ends by a signal and by a kill", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  write_file(source / "file", "");
  const Mount mount(source.path(), {.options = over_io_uring()});
  const UniqueFd holder = open_fd(mount / "file", O_RDWR);
  REQUIRE(::flock(holder.get(), LOCK_EX) == 0);
  for (const int number : {SIGUSR1, SIGKILL}) {
    CAPTURE(number);
    Process waiter = Process::call([&] {
      struct sigaction action{};
      action.sa_handler = [](int) {};
      ::sigaction(SIGUSR1, &action, nullptr);
      const UniqueFd file = open_fd(mount / "file", O_RDWR);
      return ::flock(file.get(), LOCK_EX) == 0 ? 0 : errno;
    });
    CHECK_FALSE(waiter.wait(std::chrono::milliseconds(200)));
    waiter.signal(number);
    CHECK(waiter.wait() == (number == SIGKILL ? 128 + SIGKILL : EINTR));
  }
  REQUIRE(::flock(holder.get(), LOCK_UN) == 0);
  CHECK(::flock(open_fd(mount / "file", O_RDWR).get(), LOCK_EX | LOCK_NB) == 0);
}

// The waits are many times as many as the threads that serve, so all of their memory for requests
// is lent and has to be replaced.
TEST_CASE("Over io_uring waits for locks hold up nobody", "[io_uring]") {
  require_io_uring();
  constexpr int kWaiters = 60;
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  const Mount mount(source.path(), {.options = with_option(uncached(), "--threads=2")});
  const UniqueFd holder = open_fd(mount / "file", O_RDWR);
  REQUIRE(::flock(holder.get(), LOCK_EX) == 0);
  std::vector<Process> waiters;
  waiters.reserve(kWaiters);
  for (int i = 0; i < kWaiters; ++i) {
    waiters.push_back(Process::call([&] {
      const UniqueFd file = open_fd(mount / "file", O_RDWR);
      return ::flock(file.get(), LOCK_EX) == 0 ? 0 : errno;
    }));
  }
  CHECK_FALSE(waiters.back().wait(std::chrono::milliseconds(300)));
  CHECK(read_file(mount / "file") == "content");
  REQUIRE(::flock(holder.get(), LOCK_UN) == 0);
  for (Process& waiter : waiters) {
    CHECK(waiter.wait() == 0);
  }
  CHECK(read_file(mount / "file") == "content");
}

// The kernel turns away an entry of a listing that would make a directory its own ancestor, and
// gives the node of it back: by a FORGET for whose end the listing waits.
TEST_CASE("Over io_uring an entry that the kernel can't take doesn't stop a listing",
          "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  std::filesystem::create_directories(source / "above/below");
  const Mount mount(source.path(), {.options = with_option(over_io_uring(), "--cache=always")});
  const UniqueFd below = open_fd(mount / "above/below", O_RDONLY | O_DIRECTORY);
  std::filesystem::rename(source / "above/below", source / "below");
  std::filesystem::rename(source / "above", source / "below/above");
  Process lister = Process::call(
      [&] { return names_in("/proc/self/fd/" + std::to_string(below.get())).size() == 1 ? 0 : 1; });
  CHECK(lister.wait() == 0);
}

TEST_CASE("Over io_uring a killed reader leaves the mount whole", "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  write_file(source / "file", pattern(kMiB, 4));
  Mount mount(source.path(), {.options = uncached()});
  for (int i = 0; i < 20; ++i) {
    Process reader = Process::call([&] {
      for (;;) {
        read_file(mount / "file");
      }
      return 0;
    });
    CHECK_FALSE(reader.wait(std::chrono::milliseconds(10)));
    reader.signal(SIGKILL);
    CHECK(reader.wait() == 128 + SIGKILL);
  }
  CHECK(difference(read_file(mount / "file"), pattern(kMiB, 4)).empty());
  CHECK(mount.unmount() == 0);
  CHECK(mount.daemon().wait() == 0);
}

TEST_CASE("Over io_uring the daemon ends when it is told to, whoever reads or waits",
          "[io_uring]") {
  require_io_uring();
  const TemporaryDirectory source;
  write_file(source / "file", pattern(kMiB, 5));
  Mount mount(source.path(), {.options = uncached()});
  const UniqueFd holder = open_fd(source / "file", O_RDWR);
  REQUIRE(::flock(holder.get(), LOCK_EX) == 0);
  Process reader = Process::call([&] {
    std::string bytes(kMiB, '\0');
    const UniqueFd file = open_fd(mount / "file", O_RDONLY);
    while (::pread(file.get(), bytes.data(), bytes.size(), 0) >= 0) {
    }
    return 0;
  });
  Process waiter = Process::call([&] {
    const UniqueFd file = open_fd(mount / "file", O_RDONLY);
    return ::flock(file.get(), LOCK_EX) == 0 ? 1 : 0;
  });
  CHECK_FALSE(waiter.wait(std::chrono::milliseconds(200)));
  mount.daemon().signal(SIGTERM);
  CHECK(mount.daemon().wait(std::chrono::seconds(20)) == 0);
  CHECK(reader.wait() == 0);
  CHECK(waiter.wait() == 0);
}

TEST_CASE("Over io_uring an ordinary user mounts as well", "[io_uring]") {
  require_io_uring();
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  const Mount mount(source.path(), {.options = over_io_uring(), .user = ordinary_user()});
  CHECK(mount.ready_line().contains("over io_uring"));
  const Outcome read = run({"cat", (mount / "file").string()}, {.user = ordinary_user()});
  CHECK(read.output == "content");
}

}  // namespace
}  // namespace mmapdir::test
