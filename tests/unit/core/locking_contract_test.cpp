// SPDX-License-Identifier: MIT
#include <atomic>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <utility>

#include "directory_contract.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::relative;
using test::text_of;

bool is_refused(const Result<FileLock>& lock) {
  return !lock && lock.error().code() == std::errc::resource_unavailable_try_again;
}

CONTRACT_TEST("an exclusive lock excludes every other, also of another directory object") {
  TestType fixture;
  const auto another = fixture.another();
  const auto path = relative("write.lock");
  const auto held = fixture.directory().lock(path, LockMode::kExclusive);
  REQUIRE(held);
  for (auto* const directory : {&fixture.directory(), another.get()}) {
    CHECK(is_refused(directory->lock(path, LockMode::kExclusive)));
    CHECK(is_refused(directory->lock(path, LockMode::kShared)));
    CHECK(directory->lock(relative("other.lock"), LockMode::kExclusive));
  }
}

CONTRACT_TEST("shared locks let each other be and exclude an exclusive one") {
  TestType fixture;
  const auto another = fixture.another();
  const auto path = relative("write.lock");
  auto first = fixture.directory().lock(path, LockMode::kShared);
  auto second = another->lock(path, LockMode::kShared);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(is_refused(another->lock(path, LockMode::kExclusive)));
  {
    const auto released = std::move(first).value();
  }
  CHECK(is_refused(another->lock(path, LockMode::kExclusive)));
  {
    const auto released = std::move(second).value();
  }
  CHECK(another->lock(path, LockMode::kExclusive));
}

CONTRACT_TEST("a lock ends with its object, wherever that was moved, and its file stays") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("a/b/write.lock");
  {
    auto lock = directory.lock(path, LockMode::kExclusive).value();
    CHECK(directory.exists(path).value());
    const auto moved = std::move(lock);
    CHECK(is_refused(directory.lock(path, LockMode::kExclusive)));
  }
  auto lock = directory.lock(path, LockMode::kExclusive).value();
  lock = directory.lock(relative("other.lock"), LockMode::kExclusive).value();
  CHECK(directory.lock(path, LockMode::kExclusive));
  CHECK(directory.list_files(path.parent()).value() == std::vector{path});
  CHECK(directory.sync());
}

CONTRACT_TEST("a lock outlives the directory that it came from") {
  TestType fixture;
  auto directory = fixture.another();
  const auto lock = directory->lock(relative("write.lock"), LockMode::kExclusive);
  directory.reset();
  CHECK(is_refused(fixture.directory().lock(relative("write.lock"), LockMode::kExclusive)));
}

CONTRACT_TEST("locking a file leaves its bytes alone") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("file"), bytes_of("text")));
  const auto lock = directory.lock(relative("file"), LockMode::kExclusive);
  REQUIRE(lock);
  CHECK(text_of(directory.open_read(relative("file")).value().read_all().value()) == "text");
}

CONTRACT_TEST("what can't be a file can't be locked") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("dir/file"), bytes_of("text")));
  for (const auto mode : {LockMode::kShared, LockMode::kExclusive}) {
    const auto failure = [&](std::string_view path) {
      return directory.lock(relative(path), mode).error().code();
    };
    CHECK(failure("dir") == std::errc::is_a_directory);
    CHECK(failure("") == std::errc::is_a_directory);
    CHECK(failure("dir/file/below") == std::errc::not_a_directory);
    CHECK(failure(".mmapdir-tmp-0") == std::errc::invalid_argument);
  }
  CHECK(directory.list_files({}).value().empty());
}

// Threads that take the lock as often as they can, and do `leave` before they let go of it. How
// often one held it while another did; and that each of them had it at all.
template <class Leave>
int count_encounters(DirectoryWriter& directory, const RelativePath& path, Leave leave) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 25;
  std::atomic<int> holders = 0;
  std::atomic<int> encounters = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (int turn = 0; turn < kTurns;) {
          if (const auto lock = directory.lock(path, LockMode::kExclusive)) {
            encounters += holders++ == 0 ? 0 : 1;
            std::this_thread::yield();
            --holders;
            leave();
            ++turn;
          }
          std::this_thread::yield();
        }
      });
    }
  }
  return encounters;
}

CONTRACT_TEST("of many threads one holds the lock at a time") {
  TestType fixture;
  CHECK(count_encounters(fixture.directory(), relative("write.lock"), [] {}) == 0);
}

CONTRACT_TEST("one holds the lock at a time even if each removes its file as the last act") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("write.lock");
  std::atomic<int> failures = 0;
  const auto remove = [&] { failures += directory.remove(path) ? 0 : 1; };
  CHECK(count_encounters(directory, path, remove) == 0);
  CHECK(failures == 0);
}

}  // namespace
}  // namespace mmapdir
