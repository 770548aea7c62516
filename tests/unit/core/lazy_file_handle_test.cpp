// SPDX-License-Identifier: MIT
#include "mmapdir/lazy_file_handle.h"

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "mmapdir/mmap_directory.h"
#include "scratch.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::relative;
using test::text_of;

FileSlice in_memory(std::string_view text) {
  return FileSlice(OwnedBytes::copy_of(bytes_of(text)));
}

class LazyFileHandleTest {
 protected:
  LazyFileHandleTest() { test::put_file(path(), "0123456789"); }

  std::filesystem::path path() const { return scratch_ / "file"; }
  LazyFileHandle open(std::size_t max_mappings = 10) {
    directory_ = MmapDirectory::open(
        scratch_.path(),
        {.mappings = MappingLimits{.max_mappings = max_mappings, .max_bytes = 1U << 20U}});
    return directory_->open_lazy(relative("file")).value();
  }
  MappingCounters counters() const { return directory_->mapping_cache()->counters(); }

 private:
  test::ScratchDirectory scratch_;
  Result<MmapDirectory> directory_ = std::unexpected(Error(std::errc::bad_address, "open"));
};

TEST_CASE_METHOD(LazyFileHandleTest, "nothing is mapped before the first read") {
  const auto handle = open();
  CHECK(handle.length() == 10);
  CHECK_FALSE(handle.is_materialized());
  CHECK(counters().mappings == 0);
  CHECK(text_of(handle.read_range({.offset = 2, .length = 3}).value()) == "234");
  CHECK(handle.is_materialized());
  CHECK(counters().mappings == 1);
}

TEST_CASE_METHOD(LazyFileHandleTest, "the descriptor is given back when the file is mapped") {
  const auto handle = open();
  CHECK(test::open_descriptors_in(path()) == 1);
  CHECK(handle.file().is_mapped());
  CHECK(test::open_descriptors_in(path()) == 0);
}

TEST_CASE_METHOD(LazyFileHandleTest, "the descriptor is kept where the file can't be mapped") {
  const auto handle = open(0);
  CHECK(text_of(handle.read_range({.offset = 2, .length = 3}).value()) == "234");
  CHECK_FALSE(handle.file().is_mapped());
  CHECK(test::open_descriptors_in(path()) == 1);
}

TEST_CASE_METHOD(LazyFileHandleTest, "a handle that is never read gives its descriptor back") {
  {
    const auto handle = open();
  }
  CHECK(test::open_descriptors_in(path()) == 0);
}

TEST_CASE_METHOD(LazyFileHandleTest, "a range beyond the end is refused without mapping") {
  const auto handle = open();
  CHECK_FALSE(handle.read_range({.offset = 8, .length = 3}));
  std::array<std::byte, 3> buffer{};
  CHECK_FALSE(handle.read_at(8, buffer));
  CHECK_FALSE(handle.is_materialized());
}

TEST_CASE_METHOD(LazyFileHandleTest,
                 "a file replaced before the first read is still the one opened") {
  const auto handle = open();
  test::put_file(path().string() + "2", "abcdefghij");
  std::filesystem::rename(path().string() + "2", path());
  CHECK(text_of(handle.file().read_all().value()) == "0123456789");
}

TEST_CASE_METHOD(LazyFileHandleTest, "a file truncated before the first read gives what it has") {
  const auto handle = open();
  test::resize(path(), 4);
  CHECK(handle.length() == 10);
  CHECK(text_of(handle.read_range({.offset = 0, .length = 4}).value()) == "0123");
  CHECK(handle.read_range({.offset = 0, .length = 10}).error().code() == std::errc::io_error);
}

TEST_CASE("concurrent first reads materialize once") {
  constexpr std::size_t kThreads = 8;
  std::atomic<int> calls = 0;
  const LazyFileHandle handle(4, [&calls] {
    ++calls;
    return in_memory("text");
  });
  std::vector<const std::byte*> addresses(kThreads);
  std::latch start(kThreads);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (auto& address : addresses) {
      threads.emplace_back([&address, &start, mine = handle] {
        start.arrive_and_wait();
        address = mine.read_range({.offset = 0, .length = 4}).value().bytes().data();
      });
    }
  }
  CHECK(calls == 1);
  CHECK(addresses == std::vector(kThreads, addresses.front()));
}

TEST_CASE("what the materializer owns is given back once it was called") {
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = owned;
  const LazyFileHandle handle(4, [owned = std::move(owned)] { return in_memory("text"); });
  CHECK_FALSE(watch.expired());
  CHECK(handle.file().length() == 4);
  CHECK(watch.expired());
}

}  // namespace
}  // namespace mmapdir
