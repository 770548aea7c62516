// SPDX-License-Identifier: MIT
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <filesystem>
#include <string>

#include "mmapdir/mmap_directory.h"
#include "scratch.h"
#include "system_call_spy.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::relative;
using Spy = test::SystemCallSpy;

// Of these at most that many are remembered, says mmap_directory.h.
constexpr std::size_t kMaxUnsynced = 64;

class SyncingTest {
 protected:
  fs::path root() const { return scratch_.path(); }
  MmapDirectory& directory() { return directory_; }
  void write(const std::string& path) {
    REQUIRE(directory_.write(relative(path), bytes_of("text")));
  }

 private:
  test::ScratchDirectory scratch_;
  MmapDirectory directory_ = MmapDirectory::open(scratch_.path()).value();
  Spy spy_;
};

TEST_CASE_METHOD(SyncingTest, "a written file is synced before it gets its name") {
  write("file");
  CHECK(Spy::syncs_of(root() / "file") == 1);
  CHECK(Spy::syncs_of(root()) == 0);
}

TEST_CASE_METHOD(SyncingTest, "sync syncs each changed directory once") {
  write("a");
  write("b");
  REQUIRE(directory().remove(relative("a")));
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 1);
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 1);
}

TEST_CASE_METHOD(SyncingTest, "sync syncs both directories of a rename") {
  write("from/file");
  write("to/other");
  REQUIRE(directory().sync());
  const auto from = Spy::syncs_of(root() / "from");
  const auto to = Spy::syncs_of(root() / "to");
  REQUIRE(directory().rename(relative("from/file"), relative("to/file")));
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root() / "from") == from + 1);
  CHECK(Spy::syncs_of(root() / "to") == to + 1);
}

TEST_CASE_METHOD(SyncingTest, "sync syncs the directory that a link was made in") {
  write("from/file");
  write("to/other");
  REQUIRE(directory().sync());
  const auto from = Spy::syncs_of(root() / "from");
  const auto to = Spy::syncs_of(root() / "to");
  REQUIRE(directory().link(relative("from/file"), relative("to/file")));
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root() / "from") == from);
  CHECK(Spy::syncs_of(root() / "to") == to + 1);
}

TEST_CASE_METHOD(SyncingTest, "a streamed file is synced by its commit and its name by sync") {
  auto writer = directory().create(relative("file")).value();
  REQUIRE(writer.append(bytes_of("text")));
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 0);
  REQUIRE(writer.commit());
  CHECK(Spy::syncs_of(root() / "file") == 1);
  CHECK(Spy::syncs_of(root()) == 0);
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 1);
}

TEST_CASE_METHOD(SyncingTest, "a dropped writer and a lock leave nothing to sync") {
  {
    const auto writer = directory().create(relative("file")).value();
  }
  REQUIRE(directory().lock(relative("write.lock"), LockMode::kExclusive));
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 0);
}

TEST_CASE_METHOD(SyncingTest, "sync syncs the parents of directories that were made") {
  write("a/b/file");
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root()) == 1);
  CHECK(Spy::syncs_of(root() / "a") == 1);
  CHECK(Spy::syncs_of(root() / "a/b") == 1);
}

TEST_CASE_METHOD(SyncingTest, "sync reaches a directory that was renamed meanwhile") {
  write("dir/file");
  fs::rename(root() / "dir", root() / "moved");
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root() / "moved") == 1);
}

TEST_CASE_METHOD(SyncingTest, "copies of a directory are synced as one") {
  write("file");
  auto copy = directory();
  REQUIRE(copy.sync());
  CHECK(Spy::syncs_of(root()) == 1);
}

TEST_CASE_METHOD(SyncingTest, "a sync that fails is reported and tried again by the next") {
  write("good/file");
  write("bad/file");
  Spy::fail_syncs_of(root() / "bad", EIO, 1);
  const auto failed = directory().sync();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message() == "sync 'bad': Input/output error");
  CHECK(Spy::syncs_of(root() / "good") == 1);
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root() / "good") == 1);
  CHECK(Spy::syncs_of(root() / "bad") == 2);
}

TEST_CASE_METHOD(SyncingTest, "many changed directories cost no more descriptors than the bound") {
  for (std::size_t i = 0; i < kMaxUnsynced + 10; ++i) {
    fs::create_directory(root() / std::to_string(i));
  }
  const auto before = test::open_descriptors_in(root());
  for (std::size_t i = 0; i < kMaxUnsynced + 10; ++i) {
    write(std::to_string(i) + "/file");
  }
  CHECK(test::open_descriptors_in(root()) == before + kMaxUnsynced);
  CHECK(Spy::syncs_of(root() / "0") == 1);
  CHECK(Spy::syncs_of(root() / "9") == 1);
  CHECK(Spy::syncs_of(root() / "10") == 0);
  REQUIRE(directory().sync());
  CHECK(Spy::syncs_of(root() / "0") == 1);
  CHECK(Spy::syncs_of(root() / "10") == 1);
  CHECK(test::open_descriptors_in(root()) == before);
}

TEST_CASE_METHOD(SyncingTest, "changes in one directory never force an early sync") {
  for (std::size_t i = 0; i < kMaxUnsynced; ++i) {
    fs::create_directory(root() / std::to_string(i));
    write(std::to_string(i) + "/file");
  }
  write("7/other");
  CHECK(Spy::syncs_of(root() / "0") == 0);
}

TEST_CASE_METHOD(SyncingTest, "an early sync that fails fails the change and is reported by sync") {
  for (std::size_t i = 0; i <= kMaxUnsynced; ++i) {
    fs::create_directory(root() / std::to_string(i));
  }
  for (std::size_t i = 0; i < kMaxUnsynced; ++i) {
    write(std::to_string(i) + "/file");
  }
  Spy::fail_syncs_of(root() / "0", EIO, 1);
  const auto path = relative(std::to_string(kMaxUnsynced) + "/file");
  CHECK(directory().write(path, bytes_of("text")).error().message() ==
        "sync '0': Input/output error");
  CHECK_FALSE(directory().exists(path).value());
  CHECK(directory().sync().error().message() == "sync '0': Input/output error");
  CHECK(directory().sync());
}

}  // namespace
}  // namespace mmapdir
