// SPDX-License-Identifier: MIT
// An ordinary user mounts through fusermount3; and on root's mounts each user has his own rights.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/acl.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

int try_to_read(const std::filesystem::path& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char byte = 0;
  return file && ::read(file.get(), &byte, 1) >= 0 ? 0 : -1;
}

TEST_CASE("An ordinary user mounts, reads and unmounts", "[ordinary_user]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const std::vector<std::string> options =
      GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--cache=never"},
               std::vector<std::string>{"--read-path=plain"});
  const TemporaryDirectory source;
  const auto names = make_files_of_each_size(source.path());
  write_file(source / "secret", "root's", 0600);
  Mount mount(source.path(), {.options = options, .user = user});

  const Outcome reader = run_function(
      [&] {
        for (const std::string& name : names) {
          if (!difference(read_file(mount / name), read_file(source / name)).empty()) {
            return 1;
          }
        }
        return 0;
      },
      {.user = user});
  CAPTURE(reader.error);
  CHECK(reader.status == 0);
  CHECK(errno_as(user, [&] { return try_to_read(mount / "secret"); }) == EACCES);
  CHECK(mount.unmount() == 0);
  CHECK(mount.daemon().wait(kPatience) == 0);
}

TEST_CASE("An ordinary user's mount is closed to others, also to root", "[ordinary_user]") {
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path(), {.user = ordinary_user()});
  CHECK(try_to_read(mount / "file") == -1);
  CHECK(errno == EACCES);
}

TEST_CASE("A file that its user has closed to himself opens no more while it is open",
          "[ordinary_user]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  must(::chown((source / "file").c_str(), user.uid, user.gid), "chown");
  const Mount mount(source.path(), {.user = user});
  const Outcome outcome = run_function(
      [&] {
        const UniqueFd open = open_fd(mount / "file", O_RDONLY);
        must(::chmod((mount / "file").c_str(), 0), "chmod");
        const int reopened = ::open((mount / "file").c_str(), O_RDONLY | O_CLOEXEC);
        return reopened < 0 && errno == EACCES ? 0 : 1;
      },
      {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 0);
}

TEST_CASE("An ordinary user's mount in the background answers at once and goes with fusermount3",
          "[ordinary_user]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  std::filesystem::create_directory(all / "mnt");
  write_file(all / "source/file", "x");
  must(::chown((all / "mnt").c_str(), user.uid, user.gid), "chown");
  const Outcome outcome = run({daemon_program(), all / "source", all / "mnt"}, {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 0);
  CHECK(errno_as(user, [&] { return try_to_read(all / "mnt/file"); }) == 0);
  CHECK(run({"fusermount3", "-u", all / "mnt"}, {.user = user}).status == 0);
  CHECK(mounts_under(all.path()).empty());
}

TEST_CASE("With allow_other each user may do what the source lets him do", "[ordinary_user]") {
  require_ordinary_user();
  const ReadPath path = each_read_path();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "open", "for all", 0644);
  write_file(source / "secret", "for root", 0600);
  write_file(source / "his", "for one", 0600);
  must(::chown((source / "his").c_str(), user.uid, user.gid), "chown");
  write_file(source / "listed", "for one by its list", 0600);
  set_acl(source / "listed", acl_for_reader(user.uid));
  write_file(source / "not-listed", "for another by its list", 0600);
  set_acl(source / "not-listed", acl_for_reader(user.uid + 1));
  std::filesystem::create_directory(source / "closed");
  write_file(source / "closed/file", "beyond a closed door");
  must(::chmod((source / "closed").c_str(), 0700), "chmod");
  std::vector<std::string> options = path;
  options.emplace_back("-oallow_other");
  const Mount mount(source.path(), {.options = options});

  // Root first, so that everything is in the kernel's caches: they must not open doors.
  for (const char* name : {"open", "secret", "his", "listed", "not-listed", "closed/file"}) {
    CAPTURE(name);
    CHECK(try_to_read(mount / name) == 0);
    const int expected = errno_as(user, [&] { return try_to_read(source / name); });
    CHECK(errno_as(user, [&] { return try_to_read(mount / name); }) == expected);
  }
  CHECK(errno_as(user, [&] { return try_to_read(mount / "secret"); }) == EACCES);
  CHECK(errno_as(user, [&] { return try_to_read(mount / "listed"); }) == 0);
}

TEST_CASE("Without allow_other root's mount is closed to other users", "[ordinary_user]") {
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path());
  CHECK(errno_as(ordinary_user(), [&] { return try_to_read(mount / "file"); }) == EACCES);
  struct stat found{};
  CHECK(errno_as(ordinary_user(), [&] { return ::stat(mount.root().c_str(), &found); }) == EACCES);
}

}  // namespace
}  // namespace mmapdir::test
