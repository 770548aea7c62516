// SPDX-License-Identifier: MIT
// A mount that may be idmapped: for whom it is mapped, and that nothing else changes by it.

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>

#include "parity_answer.h"
#include "support/control_client.h"
#include "support/files.h"
#include "support/idmapped_mount.h"
#include "support/lock_peer.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr id_t kFirst = 100'000;
constexpr unsigned kUsers = 2'000;
constexpr id_t kOwner = 1'000;

std::vector<std::string> mapped(ReadPath path = {"--read-path=mapped"}) {
  path.insert(path.end(), {"-oallow_other", "--idmap=on"});
  return path;
}

// A source with a file of the owner's, its mount, and an idmapped mount of that.
class MappedView {
 public:
  explicit MappedView(const std::vector<std::string>& options = mapped())
      : mount((prepare(source.path()), source.path()), {.options = options}),
        view(mount.root(), point.path(), users) {}

  TemporaryDirectory source;
  TemporaryDirectory point;
  UserNamespace users{kFirst, kUsers};
  Mount mount;
  IdmappedMount view;

 private:
  static void prepare(const Path& source) {
    must(::chmod(source.c_str(), 0777), "chmod");
    write_file(source / "file", pattern(3'000'000, 1));
    must(::chown((source / "file").c_str(), kOwner, kOwner), "chown");
  }
};

std::pair<uid_t, gid_t> owner_of(const Path& path) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "lstat " + path.string());
  return {found.st_uid, found.st_gid};
}

int errno_in(const UserNamespace& users, const std::function<int()>& call) {
  return run_function([&] {
           users.enter_as(kOwner, kOwner);
           return call() == 0 ? 0 : errno;
         })
      .status;
}

TEST_CASE("Only a mount that is asked to be can be idmapped", "[idmapped]") {
  require_idmapped_fuse();
  const TemporaryDirectory source;
  const UserNamespace users(kFirst, kUsers);
  const Mount never(source.path(), {.options = {"-oallow_other"}});
  CHECK(IdmappedMount::try_to_map(never.root(), users) == EINVAL);
  const Mount may(source.path(), {.options = mapped()});
  CHECK(IdmappedMount::try_to_map(may.root(), users) == 0);
}

TEST_CASE("An idmapped mount shows mapped owners, and its users' files are theirs on the source",
          "[idmapped]") {
  require_idmapped_fuse();
  const MappedView at(mapped(each_read_path()));
  const std::pair<uid_t, gid_t> outside{kFirst + kOwner, kFirst + kOwner};
  const std::pair<uid_t, gid_t> inside{kOwner, kOwner};
  CHECK(owner_of(at.point / "file") == outside);
  CHECK(owner_of(at.mount / "file") == inside);
  const int made = errno_in(at.users, [&] {
    const UniqueFd fd(::open((at.point / "made").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0640));
    return fd && ::write(fd.get(), "bytes", 5) == 5 && ::fchmod(fd.get(), 0600) == 0 ? 0 : -1;
  });
  CHECK(made == 0);
  CHECK(owner_of(at.source / "made") == inside);
  CHECK(owner_of(at.mount / "made") == inside);
  CHECK(owner_of(at.point / "made") == outside);
  CHECK(read_file(at.source / "made") == "bytes");
}

TEST_CASE("Bytes are read, written and mapped through an idmapped mount", "[idmapped]") {
  require_idmapped_fuse();
  const MappedView at(mapped(each_read_path()));
  CHECK(difference(read_file(at.point / "file"), pattern(3'000'000, 1)).empty());
  const int changed = errno_in(at.users, [&] {
    const UniqueFd fd(::open((at.point / "file").c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
    const UniqueFd other(::open((at.point / "file").c_str(), O_RDWR | O_CLOEXEC));
    void* const memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, other.get(), 0);
    const std::string first = pattern(4096, 1);
    const bool is_first =
        memory != MAP_FAILED && std::string_view(static_cast<char*>(memory), 4096) == first;
    return is_first && ::write(fd.get(), "end", 3) == 3 && ::pwrite(other.get(), "X", 1, 0) == 1 &&
                   ::fsync(fd.get()) == 0
               ? 0
               : -1;
  });
  CHECK(changed == 0);
  std::string expected = pattern(3'000'000, 1) + "end";
  expected[0] = 'X';
  CHECK(difference(read_file(at.source / "file"), expected).empty());
  CHECK(difference(read_file(at.mount / "file"), expected).empty());
  CHECK(difference(read_file(at.point / "file"), expected).empty());
}

TEST_CASE("Record locks through an idmapped mount exclude those on the source", "[idmapped]") {
  require_idmapped_fuse();
  const MappedView at;
  LockPeer there(at.source / "file");
  LockPeer here(at.point / "file");
  struct flock lock{};
  lock.l_type = F_WRLCK;
  CHECK(there.ask({.descriptor = 0, .command = F_SETLK, .lock = lock}).error == 0);
  CHECK(here.ask({.descriptor = 0, .command = F_SETLK, .lock = lock}).error == EAGAIN);
  lock.l_type = F_UNLCK;
  CHECK(there.ask({.descriptor = 0, .command = F_SETLK, .lock = lock}).error == 0);
  lock.l_type = F_WRLCK;
  CHECK(here.ask({.descriptor = 0, .command = F_SETLK, .lock = lock}).error == 0);
}

TEST_CASE("Over io_uring a mount can be idmapped as well", "[idmapped]") {
  require_io_uring();
  require_idmapped_fuse();
  auto options = mapped();
  options.emplace_back("--io-uring=on");
  const MappedView at(options);
  CHECK(at.mount.ready_line().contains("over io_uring"));
  CHECK(owner_of(at.point / "file") == std::pair<uid_t, gid_t>(kFirst + kOwner, kFirst + kOwner));
  CHECK(errno_in(at.users, [&] { return ::mkdir((at.point / "made").c_str(), 0700); }) == 0);
  CHECK(owner_of(at.source / "made") == std::pair<uid_t, gid_t>(kOwner, kOwner));
}

// Whom the kernel doesn't name, the daemon looks up.
TEST_CASE("The control directory of a mount that may be idmapped is for the same users",
          "[idmapped]") {
  require_idmapped_fuse();
  require_ordinary_user();
  const MappedView at;
  CHECK(control(at.mount.root(), "version").ends_with(kDone));
  CHECK(control(at.point.path(), "version").ends_with(kDone));
  const auto open_control = [&](const Path& root) {
    const UniqueFd fd(::open((root / ".mmapdirfs/control").c_str(), O_RDWR | O_CLOEXEC));
    return fd ? 0 : -1;
  };
  CHECK(errno_as(ordinary_user(), [&] { return open_control(at.mount.root()); }) == EACCES);
  CHECK(run_function([&] {
          at.users.enter_as(0, 0);
          return open_control(at.point.path()) == 0 ? 0 : errno;
        }).status == EACCES);
}

TEST_CASE("Writing takes set-user-id bits away on a mount that may be idmapped", "[idmapped]") {
  require_idmapped_fuse();
  require_ordinary_user();
  const ReadPath path = each_read_path();
  if (path.front() == "--read-path=passthrough") {
    return;  // writes go in nobody's name; see exceptions_test.cpp
  }
  const MappedView at(mapped(path));
  const Path file = at.source / "file";
  const auto mode = [&] {
    struct stat found{};
    must(::stat(file.c_str(), &found), "stat");
    return found.st_mode & 07777U;
  };
  const auto write_to = [](const Path& to) {
    const UniqueFd fd(::open(to.c_str(), O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), "x", 1) == 1 ? 0 : -1;
  };
  must(::chmod(file.c_str(), 06777), "chmod");
  CHECK(write_to(at.mount / "file") == 0);
  CHECK(mode() == 06777);  // root's stay
  CHECK(errno_as(ordinary_user(), [&] { return write_to(at.mount / "file"); }) == 0);
  CHECK(mode() == 0777);
  must(::chmod(file.c_str(), 06777), "chmod");
  CHECK(run_function([&] {
          at.users.enter_as(0, 0);  // which isn't root outside
          return write_to(at.point / "file") == 0 ? 0 : errno;
        }).status == 0);
  CHECK(mode() == 0777);
}

// The mapping isn't known to the daemon, so a group says nothing there; see README.md.
TEST_CASE("Nobody but root keeps the set-group-id bit of a file that its group may not execute",
          "[idmapped]") {
  require_idmapped_fuse();
  require_ordinary_user();
  const MappedView at;
  const Path file = at.source / "file";
  must(::chmod(file.c_str(), 02664), "chmod");
  CHECK(errno_in(at.users, [&] { return ::truncate((at.point / "file").c_str(), 10); }) == 0);
  struct stat found{};
  must(::stat(file.c_str(), &found), "stat");
  CHECK((found.st_mode & 07777U) == 0664);

  const User nobody = ordinary_user();
  must(::chown(file.c_str(), 0, nobody.gid), "chown");
  must(::chmod(file.c_str(), 02666), "chmod");
  CHECK(errno_as(nobody, [&] { return ::truncate((at.mount / "file").c_str(), 5); }) == 0);
  must(::stat(file.c_str(), &found), "stat");
  CHECK((found.st_mode & 07777U) == 0666);
}

TEST_CASE("Who isn't root, and a kernel without it, is told that a mount can't be idmapped",
          "[idmapped]") {
  require_ordinary_user();
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  std::filesystem::create_directory(all / "mnt");
  const User user = ordinary_user();
  must(::chown((all / "mnt").c_str(), user.uid, user.gid), "chown");
  const Outcome outcome =
      run({daemon_program(), "--idmap=on", all / "source", all / "mnt"}, {.user = user});
  CHECK(outcome.status == 1);
  CHECK(outcome.error.contains("--idmap=on"));
  CHECK(outcome.error.contains("allowed is off"));
}

}  // namespace
}  // namespace mmapdir::test
