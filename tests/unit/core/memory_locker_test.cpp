// SPDX-License-Identifier: MIT
#include "src/memory_locker.h"

#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "mmapdir/mapping_cache.h"
#include "scratch.h"

namespace mmapdir {
namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

// A mapped file, and a machine that has as much memory as a test says.
class MemoryLockerTest {
 protected:
  MemoryLockerTest() {
    std::filesystem::create_directory(directory_ / "proc");
    test::put_file(path(), "");
    test::resize(path(), kSize);
    fd_ = test::open_file(path(), O_RDONLY);
    auto mapping = cache_.acquire(fd_.get());
    REQUIRE(mapping);
    mapping_ = *mapping;
  }

  MemoryLocker::Outcome lock(std::uint64_t available, const std::stop_token& stop = {}) const {
    test::put_file(directory_ / "proc/meminfo",
                   "MemAvailable: " + std::to_string(available / 1024) + " kB\n");
    const AvailableMemory memory(directory_.path());
    auto outcome = MemoryLocker(memory, stop)
                       .lock(fd_.get(), mapping_->bytes(), {.offset = 0, .length = kSize});
    MemoryLocker::unlock(mapping_->bytes());
    return outcome;
  }

  std::filesystem::path path() const { return directory_ / "file"; }

  static constexpr std::uint64_t kSize = 20 * kMebibyte;

 private:
  test::ScratchDirectory directory_;
  MappingCache cache_;
  UniqueFd fd_;
  MappingRef mapping_;
};

TEST_CASE_METHOD(MemoryLockerTest, "all of a range is locked where there is memory") {
  const auto outcome = lock(1024 * kMebibyte);
  CHECK(outcome.locked == kSize);
  CHECK(outcome.reason.empty());
}

TEST_CASE_METHOD(MemoryLockerTest, "what is available isn't locked to the last") {
  const auto outcome = lock(26 * kMebibyte);
  CHECK(outcome.locked == 10 * kMebibyte);
  CHECK(outcome.reason == "available memory");
  CHECK(lock(16 * kMebibyte).locked == 0);
  CHECK(lock(16 * kMebibyte).reason == "available memory");
}

TEST_CASE_METHOD(MemoryLockerTest, "a file truncated under its mapping is locked no further") {
  test::resize(path(), 9 * kMebibyte);
  const auto outcome = lock(1024 * kMebibyte);
  CHECK(outcome.locked == 8 * kMebibyte);
  CHECK(outcome.reason == "truncated");
}

TEST_CASE_METHOD(MemoryLockerTest, "a requested stop ends it") {
  const std::stop_source source;
  source.request_stop();
  CHECK(lock(1024 * kMebibyte, source.get_token()).locked == 0);
  CHECK(lock(1024 * kMebibyte, source.get_token()).reason == "cancelled");
}

}  // namespace
}  // namespace mmapdir
