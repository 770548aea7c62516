// SPDX-License-Identifier: MIT
// What happens where changes aren't reported: the mount says so once, and asks again in time.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <csignal>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"
#include "support/sysctl.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

std::vector<std::string> mapped() { return {"--read-path=mapped", "--cache=auto"}; }

std::ptrdiff_t count_of(const std::string& text, std::string_view word) {
  std::ptrdiff_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

off_t size_of(const Path& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 ? found.st_size : -1;
}

// A directory is seen to change as soon as a second, which is what its names and attributes are
// kept for, is over.
void check_seen_in_time(const Path& mount, const Path& source) {
  REQUIRE(size_of(mount / "file") >= 0);
  write_file(source / "file", pattern(54'321, 7));
  CHECK(eventually([&] { return size_of(mount / "file") == 54'321; }));
  CHECK(read_file(mount / "file") == pattern(54'321, 7));
  REQUIRE(size_of(mount / "absent") == -1);
  write_file(source / "absent", "new");
  CHECK(eventually([&] { return size_of(mount / "absent") == 3; }));
  std::filesystem::remove(source / "absent");
  CHECK(eventually([&] { return size_of(mount / "absent") == -1; }));
}

TEST_CASE("Beyond the limit of watches changes are seen a second later, and the log says so once",
          "[coherence][sysctl]") {
  constexpr int kDirectories = 8;
  const TemporaryDirectory source;
  for (int i = 0; i < kDirectories; ++i) {
    std::filesystem::create_directory(source / std::to_string(i));
    write_file(source / fmt::format("{}/file", i), "bytes");
  }
  const Mount mount(source.path(), {.options = mapped()});
  {
    // There is the root's watch already, and maybe others of this user's.
    const Sysctl limit("fs/fanotify/max_user_marks", 1);
    for (int i = 0; i < kDirectories; ++i) {
      REQUIRE(size_of(mount / fmt::format("{}/file", i)) == 5);
    }
  }
  CAPTURE(mount.log());
  CHECK(count_of(mount.log(), "fs.fanotify.max_user_marks") == 1);
  for (int i = 0; i < kDirectories; ++i) {
    const std::string name = std::to_string(i);
    check_seen_in_time(mount / name, source / name);
  }
}

TEST_CASE("On a source that isn't this kernel's alone changes are seen a second later",
          "[coherence]") {
  require_root();
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "directory");
  write_file(source / "file", "bytes");
  write_file(source / "directory/file", "bytes");
  // A FUSE mount below, which itself shows the source at once.
  const Mount below(source.path(), {.options = {"--read-path=mapped", "--cache=never"}});
  const Mount mount(below.root(), {.options = mapped()});
  check_seen_in_time(mount.root(), source.path());
  check_seen_in_time(mount / "directory", source / "directory");
  CAPTURE(mount.log());
  CHECK(count_of(mount.log(), "can't be watched") == 1);
}

TEST_CASE("Where reports were lost everything is looked up anew", "[coherence][sysctl]") {
  constexpr unsigned kQueue = 16;
  constexpr unsigned kFiles = 200;
  const TemporaryDirectory source;
  const auto name = [](unsigned i) { return fmt::format("directory-{}/file-{}", i % 5, i); };
  for (unsigned i = 0; i < kFiles; ++i) {
    std::filesystem::create_directories((source / name(i)).parent_path());
    write_file(source / name(i), "old");
  }
  std::optional<Mount> mount;
  {
    const Sysctl queue("fs/fanotify/max_queued_events", kQueue);
    mount.emplace(source.path(), MountSetup{.options = mapped()});
  }
  const auto shows = [&](unsigned i) -> std::string {
    const Path path = *mount / name(i);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return fd ? fmt::format("{} {}", size_of(path), read_at(fd.get(), 100, 0)) : "none";
  };
  std::vector<UniqueFd> held;
  held.reserve(kFiles);
  for (unsigned i = 0; i < kFiles; ++i) {
    REQUIRE(shows(i) == "3 old");
    held.push_back(open_fd(*mount / name(i), O_RDONLY));
    REQUIRE(size_of(*mount / (name(i) + "-absent")) == -1);
  }
  mount->daemon().signal(SIGSTOP);
  for (unsigned i = 0; i < kFiles; ++i) {
    if (i % 4 == 0) {
      std::filesystem::remove(source / name(i));
    } else {
      write_file(source / name(i), "newer");
    }
    write_file(source / (name(i) + "-absent"), "there");
  }
  mount->daemon().signal(SIGCONT);
  for (unsigned i = 0; i < kFiles; ++i) {
    CAPTURE(i);
    const std::string expected = i % 4 == 0 ? "none" : "5 newer";
    CHECK(eventually([&] { return shows(i) == expected; }));
    CHECK(eventually([&] { return size_of(*mount / (name(i) + "-absent")) == 5; }));
    const std::string bytes = i % 4 == 0 ? "old" : "newer";
    CHECK(eventually([&] { return read_at(held[i].get(), 100, 0) == bytes; }));
  }
  for (unsigned i = 0; i < 5; ++i) {
    const std::string directory = fmt::format("directory-{}", i);
    CHECK(names_in(*mount / directory) == names_in(source / directory));
  }
  CAPTURE(mount->log());
  CHECK(mount->log().contains("everything is looked up anew"));
  // And from then on as before.
  write_file(source / name(1), "at last");
  CHECK(eventually([&] { return shows(1) == "7 at last"; }));
}

// A notification is a message that answers no request: its number (fuse_out_header::unique) is 0.
std::ptrdiff_t count_notifications(const std::vector<TracedCall>& calls) {
  return std::ranges::count_if(calls, [](const TracedCall& call) {
    return call.name == "writev" && call.arguments.contains("/dev/fuse") &&
           call.arguments.contains(R"(\x00\x00\x00\x00\x00\x00\x00\x00", iov_len=16)");
  });
}

void change_in_each_way(const Path& root) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = fmt::format("new-{}", i);
    write_file(root / name, "bytes");
    must(::chmod((root / name).c_str(), 0600), "chmod");
    std::filesystem::rename(root / name, root / (name + "-renamed"));
    write_at(open_fd(root / (name + "-renamed"), O_WRONLY | O_APPEND).get(), "more", 0);
    std::filesystem::create_directory(root / name);
    std::filesystem::remove(root / name);
    std::filesystem::remove(root / (name + "-renamed"));
  }
}

std::ptrdiff_t notifications_for_changes(const Path& changed, Mount& mount, const Path& source) {
  Strace strace(mount.daemon(), {"-e", "trace=writev"});
  change_in_each_way(changed);
  // Reports come in order: with this change all those before were seen to.
  write_file(source / "last", "seen");
  CHECK(eventually([&] { return size_of(mount / "last") == 4; }));
  return count_notifications(strace.stop());
}

TEST_CASE("Changes made through the mount are no news to it", "[coherence]") {
  require_strace();
  // Not passthrough: what a program writes there is reported as its own, like a write on the
  // source.
  const ReadPath path = GENERATE(ReadPath{"--read-path=mapped"}, ReadPath{"--read-path=plain"});
  const TemporaryDirectory source;
  Mount mount(source.path(), {.options = path});
  REQUIRE(size_of(mount / "last") == -1);
  const auto by_mount = notifications_for_changes(mount.root(), mount, source.path());
  std::filesystem::remove(source / "last");
  REQUIRE(eventually([&] { return size_of(mount / "last") == -1; }));
  const auto by_source = notifications_for_changes(source.path(), mount, source.path());
  CHECK(by_mount < 10);  // for the last change
  CHECK(by_source > by_mount);
}

TEST_CASE("Who takes a lock sees at once which files there are on the source", "[coherence]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "lock", "");
  const Mount mount(source.path(), {.options = path});
  const UniqueFd lock = open_fd(mount / "lock", O_RDWR);
  constexpr int kRounds = 250;  // of each path
  for (int round = 0; round < kRounds; ++round) {
    CAPTURE(round);
    REQUIRE(size_of(mount / "journal") == -1);
    write_file(source / "journal", "bytes");
    write_at(open_fd(source / "lock", O_WRONLY).get(), std::to_string(round), 0);
    must(::flock(lock.get(), LOCK_EX), "flock");
    REQUIRE(size_of(mount / "journal") == 5);
    REQUIRE(read_at(lock.get(), 100, 0) == std::to_string(round));
    must(::flock(lock.get(), LOCK_UN), "flock");
    std::filesystem::remove(source / "journal");
    must(::flock(lock.get(), LOCK_SH), "flock");
    REQUIRE(size_of(mount / "journal") == -1);
    must(::flock(lock.get(), LOCK_UN), "flock");
  }
}

}  // namespace
}  // namespace mmapdir::test
