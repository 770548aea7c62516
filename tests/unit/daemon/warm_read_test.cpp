// SPDX-License-Identifier: MIT
// What a read of a file costs that is open and mapped: in memory taken, and in locks.

#include <catch2/catch_test_macros.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "unit/daemon/call_counts.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kReads = 100;

TEST_CASE("A warm mapped read takes no memory and one lock", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(kReads * kPage, 1));
  const auto opened = fixture.open(fixture.node_of("file"));
  std::vector<std::byte> scratch;
  REQUIRE(fixture.fs().read(opened.handle, 0, kPage, scratch));

  const auto before = call_counts();
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kReads; ++i) {
    const auto view = fixture.fs().read(opened.handle, i * kPage, kPage, scratch);
    bytes += view ? view->bytes.size() : 0;
  }
  const auto after = call_counts();
  CHECK(bytes == kReads * kPage);
  CHECK(after.allocations == before.allocations);
  CHECK(after.mutex_locks == before.mutex_locks + kReads);
}

TEST_CASE("Memory taken and locks are counted", "[mapped]") {
  const auto before = call_counts();
  const std::string memory = pattern(kPage, 1);
  std::mutex mutex;
  {
    const std::scoped_lock lock(mutex);
  }
  const auto after = call_counts();
  CHECK(memory.size() == kPage);
  CHECK(after.allocations > before.allocations);
  CHECK(after.mutex_locks == before.mutex_locks + 1);
}

}  // namespace
}  // namespace mmapdirfs::test
