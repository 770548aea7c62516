// SPDX-License-Identifier: MIT
#include "fs/lock_descriptions.h"

#include <fcntl.h>
#include <sys/file.h>

#include <catch2/catch_test_macros.hpp>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

SharedFd description_of(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return open_lock_description(fd.get()).value();
}

struct flock write_lock(off_t start, off_t length) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

}  // namespace

TEST_CASE("Locks are counted while they are held") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  write_file(path, "bytes");
  LockDescriptions descriptions;
  auto flocked = description_of(path);
  auto recorded = description_of(path);
  descriptions.add(flocked);
  descriptions.add(recorded);
  CHECK(descriptions.held() == 0);

  REQUIRE(::flock(flocked->get(), LOCK_SH) == 0);
  CHECK(descriptions.held() == 1);
  for (const off_t place : {0, 3}) {
    const auto lock = write_lock(place, 1);
    REQUIRE(::fcntl(recorded->get(), F_OFD_SETLK, &lock) == 0);
  }
  CHECK(descriptions.held() == 3);
  REQUIRE(::flock(flocked->get(), LOCK_UN) == 0);
  CHECK(descriptions.held() == 2);
  recorded.reset();
  CHECK(descriptions.held() == 0);
}

TEST_CASE("Locks of descriptions that are closed aren't counted") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "file";
  write_file(path, "bytes");
  LockDescriptions descriptions;
  std::vector<SharedFd> open;
  for (int i = 0; i < 100; ++i) {
    open.push_back(description_of(path));
    REQUIRE(::flock(open.back()->get(), LOCK_SH) == 0);
    descriptions.add(open.back());
    descriptions.add(description_of(path));
  }
  CHECK(descriptions.held() == 100);
}

}  // namespace mmapdirfs::test
