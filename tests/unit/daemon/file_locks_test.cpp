// SPDX-License-Identifier: MIT
// Record locks of owners that have several handles, close some of them, and wait in the meantime.
#include "fs/file_locks.h"

#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "support/lock_peer.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr NodeId kNode{2};
constexpr LockOwner kOwner{10};
constexpr LockOwner kOther{20};
constexpr HandleId kOld{1};
constexpr HandleId kNew{2};

struct flock lock_of(short type, off_t start, off_t length) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

struct Bench {
  Result<void> set(LockOwner owner, HandleId handle, short type, off_t start, off_t length) {
    return locks.set({.node = kNode, .owner = owner, .handle = handle}, fd.get(),
                     lock_of(type, start, length));
  }

  // By somebody who has nothing to do with the locks.
  bool is_locked(off_t start, off_t length) const {
    const UniqueFd probe(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock = lock_of(F_WRLCK, start, length);
    REQUIRE(::fcntl(probe.get(), F_OFD_GETLK, &lock) == 0);
    return lock.l_type != F_UNLCK;
  }

  TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "file";
  UniqueFd fd = (write_file(path, "bytes"), UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC)));
  FileLocks locks;
};

TEST_CASE("A handle's release gives back what was locked by way of it, and nothing else",
          "[file_locks]") {
  Bench bench;
  REQUIRE(bench.set(kOwner, kOld, F_WRLCK, 0, 100));
  REQUIRE(bench.set(kOwner, kNew, F_WRLCK, 40, 20));
  bench.locks.release_handle({.node = kNode, .owner = kOwner, .handle = kOld});
  CHECK_FALSE(bench.is_locked(0, 40));
  CHECK(bench.is_locked(40, 1));
  CHECK(bench.is_locked(59, 1));
  CHECK_FALSE(bench.is_locked(60, 40));
  bench.locks.release_handle({.node = kNode, .owner = kOwner, .handle = kNew});
  CHECK_FALSE(bench.is_locked(0, 0));
  CHECK(bench.locks.held() == 0);
}

TEST_CASE("What was locked after a close stays when the old handle is released", "[file_locks]") {
  Bench bench;
  REQUIRE(bench.set(kOwner, kOld, F_WRLCK, 0, 10));
  bench.locks.release_all(kNode, kOwner);
  CHECK_FALSE(bench.is_locked(0, 0));
  REQUIRE(bench.set(kOwner, kNew, F_WRLCK, 0, 10));
  bench.locks.release_handle({.node = kNode, .owner = kOwner, .handle = kOld});
  CHECK(bench.is_locked(0, 10));
}

TEST_CASE("Giving back what nobody has is no error, and opens nothing", "[file_locks]") {
  Bench bench;
  CHECK(bench.set(kOwner, kOld, F_UNLCK, 0, 0));
  CHECK(bench.locks.held() == 0);
  bench.locks.release_handle({.node = kNode, .owner = kOwner, .handle = kOld});
  bench.locks.release_all(kNode, kOwner);
}

// A thread of the owner waits for a second lock while another one closes the file: that gives back
// what the owner had, at once; what it waits for it still gets.
TEST_CASE("A close gives back locks also while their owner waits for another", "[file_locks]") {
  Bench bench;
  REQUIRE(bench.set(kOwner, kOld, F_WRLCK, 0, 10));
  REQUIRE(bench.set(kOther, kNew, F_WRLCK, 10, 10));
  Result<void> waited;
  std::thread waiter([&] {
    waited = bench.locks.wait({.node = kNode, .owner = kOwner, .handle = kOld}, bench.fd.get(),
                              lock_of(F_WRLCK, 10, 10));
  });
  while (mmapdir::test::lock_waiters(bench.path) == 0) {
    std::this_thread::yield();
  }
  bench.locks.release_all(kNode, kOwner);
  CHECK_FALSE(bench.is_locked(0, 10));
  bench.locks.release_all(kNode, kOther);
  waiter.join();
  CHECK(waited);
  CHECK(bench.is_locked(10, 10));
  CHECK(bench.set(kOther, kNew, F_WRLCK, 10, 10).error().errnum() == EAGAIN);
  bench.locks.release_handle({.node = kNode, .owner = kOwner, .handle = kOld});
  CHECK_FALSE(bench.is_locked(0, 0));
}

}  // namespace
}  // namespace mmapdirfs::test
