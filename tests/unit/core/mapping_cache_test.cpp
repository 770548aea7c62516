// SPDX-License-Identifier: MIT
#include "mmapdir/mapping_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "mmapdir/owned_bytes.h"
#include "scratch.h"

namespace mmapdir {
namespace {

constexpr std::uint64_t kManyBytes = 1U << 30U;

class MappingCacheTest {
 protected:
  std::filesystem::path file(const std::string& name, std::string_view text) const {
    test::put_file(directory_ / name, text);
    return directory_ / name;
  }

  static Result<MappingRef> acquire(MappingCache& cache, const std::filesystem::path& path) {
    return cache.acquire(test::open_file(path, O_RDONLY).get());
  }

  static MappingRef map(MappingCache& cache, const std::filesystem::path& path) {
    auto mapping = acquire(cache, path);
    REQUIRE(mapping);
    return *mapping;
  }

  static std::string text_of(const MappingRef& mapping) {
    return test::text_of(OwnedBytes(mapping, mapping->bytes()));
  }

 private:
  test::ScratchDirectory directory_;
};

TEST_CASE_METHOD(MappingCacheTest, "the cache tells which files it has mapped, also idle ones") {
  MappingCache cache;
  CHECK(cache.mapped_files().empty());
  const auto path = file("a", "hello");
  const auto busy = map(cache, path);
  const auto other = file("b", "idle");
  map(cache, other);
  CHECK(cache.mapped_files().size() == 2);
  struct stat idle{};
  REQUIRE(::stat(other.c_str(), &idle) == 0);
  cache.forget(idle.st_dev, idle.st_ino);
  const auto files = cache.mapped_files();
  REQUIRE(files.size() == 1);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK(files.front().device == status.st_dev);
  CHECK(files.front().inode == status.st_ino);
  CHECK(files.front().bytes == 5);
  CHECK(files.front().address == reinterpret_cast<std::uintptr_t>(busy->bytes().data()));
}

TEST_CASE_METHOD(MappingCacheTest, "a file is mapped once for all who ask while it is in use") {
  MappingCache cache;
  const auto path = file("a", "hello");
  const auto first = map(cache, path);
  const auto second = map(cache, path);
  CHECK(text_of(first) == "hello");
  CHECK(first->bytes().data() == second->bytes().data());
  CHECK(cache.counters().misses == 1);
  CHECK(cache.counters().hits == 1);
  CHECK(cache.counters().mappings == 1);
  CHECK(cache.counters().mapped_bytes == 5);
}

TEST_CASE_METHOD(MappingCacheTest, "an idle mapping is found again") {
  MappingCache cache;
  const auto path = file("a", "hello");
  const auto* const address = map(cache, path)->bytes().data();
  CHECK(cache.counters().mappings == 1);
  CHECK(map(cache, path)->bytes().data() == address);
  CHECK(cache.counters().hits == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "two names of one file share a mapping") {
  MappingCache cache;
  const auto path = file("a", "hello");
  const auto link = path.parent_path() / "b";
  std::filesystem::create_hard_link(path, link);
  CHECK(map(cache, path)->bytes().data() == map(cache, link)->bytes().data());
  CHECK(cache.counters().mappings == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "a file replaced by rename is mapped anew, the old view stays") {
  MappingCache cache;
  const auto path = file("a", "old");
  const auto old_view = map(cache, path);
  std::filesystem::rename(file("b", "new"), path);
  CHECK(text_of(map(cache, path)) == "new");
  CHECK(text_of(old_view) == "old");
}

TEST_CASE_METHOD(MappingCacheTest, "a file that has grown is mapped anew, the old view stays") {
  MappingCache cache;
  const auto path = file("a", "one");
  auto old_view = map(cache, path);
  test::append_to(path, "two");
  CHECK(text_of(map(cache, path)) == "onetwo");
  CHECK(text_of(old_view) == "one");
  CHECK(cache.counters().remaps == 1);
  CHECK(cache.counters().misses == 1);
  CHECK(cache.counters().mappings == 2);
  old_view.reset();
  CHECK(cache.counters().mappings == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "a file that has grown from nothing is mapped") {
  MappingCache cache;
  const auto path = file("a", "");
  CHECK(map(cache, path)->bytes().empty());
  CHECK(cache.counters().mappings == 0);
  test::append_to(path, "text");
  CHECK(text_of(map(cache, path)) == "text");
}

TEST_CASE_METHOD(MappingCacheTest, "a file that has shrunk keeps its mapping") {
  MappingCache cache;
  const auto path = file("a", "hello");
  const auto first = map(cache, path);
  test::resize(path, 2);
  const auto second = map(cache, path);
  CHECK(second->bytes().data() == first->bytes().data());
  CHECK(second->bytes().size() == 5);
  CHECK(cache.counters().remaps == 0);
}

TEST_CASE_METHOD(MappingCacheTest, "a change in place shows through an existing mapping") {
  MappingCache cache;
  const auto path = file("a", "old");
  const auto view = map(cache, path);
  test::must(::pwrite(test::open_file(path, O_WRONLY).get(), "new", 3, 0), "pwrite");
  CHECK(text_of(view) == "new");
}

TEST_CASE_METHOD(MappingCacheTest, "no more mappings are kept than the bound says") {
  MappingCache cache({.max_mappings = 2, .max_bytes = kManyBytes});
  for (const auto* const name : {"a", "b", "c", "d"}) {
    map(cache, file(name, "text"));
    CHECK(cache.counters().mappings <= 2);
  }
  CHECK(cache.counters().evictions == 2);
}

TEST_CASE_METHOD(MappingCacheTest, "no more bytes are kept mapped than the bound says") {
  MappingCache cache({.max_mappings = 100, .max_bytes = 10});
  map(cache, file("a", "12345"));
  map(cache, file("b", "12345"));
  CHECK(cache.counters().mapped_bytes == 10);
  map(cache, file("c", "123456"));
  CHECK(cache.counters().mapped_bytes == 6);
  CHECK(cache.counters().evictions == 2);
}

TEST_CASE_METHOD(MappingCacheTest, "the mapping that was idle longest makes room first") {
  MappingCache cache({.max_mappings = 2, .max_bytes = kManyBytes});
  const auto a = file("a", "a");
  const auto b = file("b", "b");
  map(cache, a);
  map(cache, b);
  map(cache, a);  // so b has been idle longer
  map(cache, file("c", "c"));
  const auto before = cache.counters();
  map(cache, a);
  CHECK(cache.counters().hits == before.hits + 1);
  map(cache, b);
  CHECK(cache.counters().misses == before.misses + 1);
}

TEST_CASE_METHOD(MappingCacheTest, "a busy mapping never makes room, the newcomer is refused") {
  MappingCache cache({.max_mappings = 1, .max_bytes = kManyBytes});
  const auto path = file("b", "b");
  auto busy = map(cache, file("a", "a"));
  const auto refused = acquire(cache, path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == std::errc::resource_unavailable_try_again);
  CHECK(cache.counters().refusals == 1);
  CHECK(text_of(busy) == "a");
  busy.reset();
  CHECK(acquire(cache, path));
}

TEST_CASE_METHOD(MappingCacheTest, "a file too big for the bound is refused and evicts nothing") {
  MappingCache cache({.max_mappings = 10, .max_bytes = 10});
  map(cache, file("a", "12345"));
  CHECK_FALSE(acquire(cache, file("b", "12345678901")));
  CHECK(cache.counters().evictions == 0);
  CHECK(cache.counters().mappings == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "a grown file can take the place of its own idle mapping") {
  MappingCache cache({.max_mappings = 1, .max_bytes = kManyBytes});
  const auto path = file("a", "one");
  map(cache, path);
  test::append_to(path, "two");
  CHECK(text_of(map(cache, path)) == "onetwo");
  CHECK(cache.counters().evictions == 0);
}

TEST_CASE_METHOD(MappingCacheTest, "clear forgets idle mappings at once") {
  MappingCache cache;
  map(cache, file("a", "a"));
  map(cache, file("b", "b"));
  cache.clear();
  CHECK(cache.counters().mappings == 0);
  CHECK(cache.counters().mapped_bytes == 0);
}

TEST_CASE_METHOD(MappingCacheTest, "clear forgets a busy mapping when its last view goes") {
  MappingCache cache;
  const auto path = file("a", "text");
  auto view = map(cache, path);
  auto copy = view;
  cache.clear();
  CHECK(cache.counters().mappings == 1);
  CHECK(text_of(view) == "text");
  const auto newer = map(cache, path);
  CHECK(newer->bytes().data() != view->bytes().data());
  view.reset();
  CHECK(cache.counters().mappings == 2);
  copy.reset();
  CHECK(cache.counters().mappings == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "forget forgets one file, when nobody views it any more") {
  MappingCache cache;
  const auto path = file("a", "text");
  struct stat found{};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  map(cache, file("b", "b"));
  auto view = map(cache, path);
  cache.forget(found.st_dev, found.st_ino);
  CHECK(text_of(view) == "text");
  CHECK(cache.counters().mappings == 2);
  view.reset();
  CHECK(cache.counters().mappings == 1);
  map(cache, path);
  CHECK(cache.counters().mappings == 2);
  cache.forget(found.st_dev, found.st_ino);
  cache.forget(found.st_dev, found.st_ino);
  CHECK(cache.counters().mappings == 1);
}

TEST_CASE_METHOD(MappingCacheTest, "a view outlives the cache and the file") {
  auto cache = std::make_unique<MappingCache>();
  const auto path = file("a", "text");
  const auto view = map(*cache, path);
  cache.reset();
  std::filesystem::remove(path);
  CHECK(text_of(view) == "text");
}

TEST_CASE_METHOD(MappingCacheTest, "what can't be mapped is refused and counted") {
  MappingCache cache;
  CHECK(cache.acquire(test::open_file("/dev/null", O_RDONLY).get()).error().code() ==
        std::errc::no_such_device);
  CHECK(cache.acquire(test::open_file("/", O_RDONLY).get()).error().code() ==
        std::errc::no_such_device);
  CHECK(cache.acquire(-1).error().code() == std::errc::bad_file_descriptor);
  const auto path = file("a", "text");
  CHECK(cache.acquire(test::open_file(path, O_WRONLY).get()).error().code() ==
        std::errc::permission_denied);
  CHECK(cache.counters().refusals == 4);
  CHECK(cache.counters().mappings == 0);
  CHECK(cache.counters().mapped_bytes == 0);
}

TEST_CASE_METHOD(MappingCacheTest, "concurrent misses of one file map it once") {
  constexpr std::size_t kThreads = 8;
  MappingCache cache;
  const auto path = file("a", "text");
  std::vector<MappingRef> views(kThreads);
  std::latch start(kThreads);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (auto& view : views) {
      threads.emplace_back([&] {
        const auto fd = test::open_file(path, O_RDONLY);
        start.arrive_and_wait();
        view = cache.acquire(fd.get()).value_or(nullptr);
      });
    }
  }
  for (const auto& view : views) {
    REQUIRE(view);
    CHECK(view->bytes().data() == views.front()->bytes().data());
  }
  CHECK(cache.counters().misses == 1);
  CHECK(cache.counters().hits == kThreads - 1);
}

TEST_CASE_METHOD(MappingCacheTest, "threads that map, drop and clear at will see right bytes") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  MappingCache cache({.max_mappings = 3, .max_bytes = kManyBytes});
  std::vector<std::filesystem::path> paths;
  for (const auto* const name : {"a", "b", "c", "d", "e"}) {
    paths.push_back(file(name, name));
  }
  std::vector<int> wrong(kThreads);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        MappingRef kept;
        for (std::size_t round = 0; round < kRounds; ++round) {
          const auto& path = paths[(round * (t + 1)) % paths.size()];
          if (const auto mapping = acquire(cache, path)) {
            const auto expected = static_cast<std::byte>(path.filename().native().front());
            wrong[t] += (*mapping)->bytes().front() != expected;
            kept = round % 3 == 0 ? *mapping : nullptr;
          }
          if (round % 50 == t) {
            cache.clear();
          }
        }
      });
    }
  }
  CHECK(wrong == std::vector<int>(kThreads));
  cache.clear();
  CHECK(cache.counters().mappings == 0);
  CHECK(cache.counters().mapped_bytes == 0);
}

TEST_CASE("the bounds that the system suggests leave half of its maps to the program") {
  const auto limits = MappingLimits::from_system();
  CHECK(limits.max_mappings > 0);
  CHECK(limits.max_bytes == std::uint64_t{1} << 45U);
}

}  // namespace
}  // namespace mmapdir
