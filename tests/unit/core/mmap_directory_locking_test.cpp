// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "forked_child.h"
#include "mmapdir/mmap_directory.h"
#include "scratch.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using test::ForkedChild;
using test::put_file;
using test::relative;

// A record lock as Lucene, RocksDB and others take it: owned by the process.
bool take_record_lock(int fd) {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, F_SETLK, &whole) == 0;
}

class LockingTest {
 protected:
  fs::path root() const { return scratch_.path(); }
  fs::path file() const { return root() / path_.string(); }
  MmapDirectory& directory() { return directory_; }
  Result<FileLock> lock(LockMode mode = LockMode::kExclusive) {
    return directory_.lock(path_, mode);
  }
  bool is_locked() {
    const auto again = lock();
    return !again && again.error().code() == std::errc::resource_unavailable_try_again;
  }

 private:
  test::ScratchDirectory scratch_;
  MmapDirectory directory_ = MmapDirectory::open(scratch_.path()).value();
  RelativePath path_ = relative("write.lock");
};

TEST_CASE_METHOD(LockingTest, "a lock holds against other processes until its own is killed") {
  {
    const ForkedChild child([&] {
      static const auto held_to_the_end = lock();
      return held_to_the_end.has_value();
    });
    REQUIRE(child.succeeded());
    CHECK(is_locked());
  }
  CHECK(lock());
}

TEST_CASE_METHOD(LockingTest, "a lock and the record lock of another process exclude each other") {
  put_file(file(), "");
  const auto record_lock_in_child = [&] {
    const ForkedChild child(
        [&] { return take_record_lock(test::open_file(file(), O_RDWR).get()); });
    return child.succeeded();
  };
  {
    const ForkedChild child([&] {
      static const auto fd = test::open_file(file(), O_RDWR);
      return take_record_lock(fd.get());
    });
    REQUIRE(child.succeeded());
    CHECK(is_locked());
  }
  {
    const auto held = lock();
    REQUIRE(held);
    CHECK_FALSE(record_lock_in_child());
  }
  CHECK(record_lock_in_child());
}

TEST_CASE_METHOD(LockingTest, "a lock and a record lock of the same process exclude each other") {
  put_file(file(), "");
  const auto fd = test::open_file(file(), O_RDWR);
  std::optional held = lock();
  REQUIRE(*held);
  CHECK_FALSE(take_record_lock(fd.get()));
  held.reset();
  CHECK(take_record_lock(fd.get()));
  CHECK(is_locked());
}

TEST_CASE_METHOD(LockingTest, "opening, reading and closing the file elsewhere doesn't free it") {
  const auto held = lock();
  test::open_file(file(), O_RDWR).reset();
  REQUIRE(directory().open_read(relative("write.lock")));
  CHECK(is_locked());
}

TEST_CASE_METHOD(LockingTest, "a child forked meanwhile holds the lock until it ends") {
  std::optional held = lock();
  REQUIRE(*held);
  {
    const ForkedChild child([] { return true; });
    held.reset();
    CHECK(is_locked());
  }
  CHECK(lock());
}

TEST_CASE_METHOD(LockingTest, "a lock is not inherited by a program that is started") {
  const auto held = lock();
  REQUIRE(held);
  CHECK(test::open_descriptors_in(file()) == 1);
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;  // the iterator's own descriptor
    if (fs::read_symlink(entry.path(), ignored) == file()) {
      const int flags = ::fcntl(std::stoi(entry.path().filename()), F_GETFD);
      CHECK((flags & FD_CLOEXEC) != 0);
    }
  }
}

TEST_CASE_METHOD(LockingTest, "a lock knows nothing of flock") {
  put_file(file(), "");
  const auto fd = test::open_file(file(), O_RDWR);
  REQUIRE(::flock(fd.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK(lock());
}

TEST_CASE_METHOD(LockingTest, "neither a link nor a special file is locked, and none made by it") {
  fs::create_symlink("target", root() / "link");
  REQUIRE(::mkfifo((root() / "fifo").c_str(), 0600) == 0);
  for (const auto mode : {LockMode::kShared, LockMode::kExclusive}) {
    CHECK(directory().lock(relative("link"), mode).error().code() ==
          std::errc::too_many_symbolic_link_levels);
    CHECK(directory().lock(relative("fifo"), mode).error().code() ==
          std::errc::operation_not_supported);
  }
  CHECK_FALSE(fs::exists(root() / "target"));
  CHECK(test::open_descriptors_in(root() / "fifo") == 0);
}

TEST_CASE_METHOD(LockingTest, "who may only read a file gets a shared lock on it alone") {
  if (::geteuid() != 0) {
    test::skip("needs root, to become somebody else");
  }
  put_file(file(), "");
  fs::permissions(file(), fs::perms{0644});
  fs::permissions(root(), fs::perms{0755});
  const ForkedChild child([&] {
    constexpr uid_t kNobody = 65534;
    return ::setuid(kNobody) == 0 && lock(LockMode::kShared) &&
           lock(LockMode::kExclusive).error().code() == std::errc::permission_denied;
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(LockingTest, "a new lock file has the usual permission bits") {
  const auto mask = ::umask(027);
  const auto held = lock();
  ::umask(mask);
  CHECK(fs::status(file()).permissions() == fs::perms{0640});
}

}  // namespace
}  // namespace mmapdir
