// SPDX-License-Identifier: MIT
// Inodes that stay open after their last release: in the table that keeps them, and in the file
// system that decides which.

#include "fs/kept_inodes.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <memory>

#include "unit/daemon/fakes.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr Caller kSomebody{.uid = 1000, .gid = 1000, .umask = 022};

struct Bench {
  std::shared_ptr<OpenInode> inode_of(const Caller& opener) {
    auto fd = std::make_shared<const UniqueFd>(open_directory(directory.path()));
    return std::make_shared<OpenInode>(std::move(fd), O_RDONLY, ReadPath::kMapped, Backing(),
                                       opener, cache);
  }

  TemporaryDirectory directory;
  mmapdir::MappingCache cache;
};

TEST_CASE("What is kept is taken once, by who opened it", "[kept_inodes]") {
  Bench bench;
  KeptInodes kept(4);
  const auto inode = bench.inode_of(kSomebody);
  kept.keep(NodeId{2}, inode);
  CHECK(kept.take(NodeId{3}, kSomebody) == nullptr);
  CHECK(kept.take(NodeId{2}, kSomebody) == inode);
  CHECK(kept.take(NodeId{2}, kSomebody) == nullptr);
}

TEST_CASE("What was kept for somebody else doesn't serve, and goes", "[kept_inodes]") {
  Bench bench;
  for (const Caller& other : {Caller{.uid = 1001, .gid = 1000, .umask = 022},
                              Caller{.uid = 1000, .gid = 1001, .umask = 022}}) {
    KeptInodes kept(4);
    kept.keep(NodeId{2}, bench.inode_of(kSomebody));
    CHECK(kept.take(NodeId{2}, other) == nullptr);
    CHECK(kept.take(NodeId{2}, kSomebody) == nullptr);
  }
}

TEST_CASE("No more than a number of inodes is kept, and those that are dropped are closed",
          "[kept_inodes]") {
  Bench bench;
  KeptInodes kept(2);
  const auto keep = [&](NodeId node) -> std::weak_ptr<OpenInode> {
    auto inode = bench.inode_of(kSomebody);
    std::weak_ptr<OpenInode> watched = inode;
    kept.keep(node, std::move(inode));
    return watched;
  };
  const auto first = keep(NodeId{2});
  const auto second = keep(NodeId{3});
  const auto third = keep(NodeId{4});
  CHECK(first.expired());
  CHECK_FALSE(second.expired());
  kept.drop(NodeId{3});
  CHECK(second.expired());
  CHECK_FALSE(third.expired());
  kept.drop_all();
  CHECK(third.expired());
}

// A file system whose directory is watched, so that its files are kept.
class WatchAll final : public SourceWatch {
 public:
  bool watch(int /*fd*/) override { return true; }
  void unwatch(int /*fd*/) override {}
  void catch_up(std::function<void()> done) override { done(); }
};

struct WatchedFile {
  WatchedFile() {
    fixture.fs().set_watch(watch);
    write_file(fixture / "file", "bytes");
    node = fixture.node_of("file");
  }

  void open_and_close(const Caller& caller, int flags = O_RDONLY) {
    const auto opened = fixture.fs().open(node, flags, caller);
    REQUIRE(errno_of(opened) == 0);
    fixture.fs().release(opened->handle);
  }

  WatchAll watch;
  Fixture fixture{{.read_path = ReadPath::kPassthrough}};
  NodeId node = kNoNode;
};

TEST_CASE("Opened again, a watched file costs no registration", "[kept_inodes]") {
  WatchedFile file;
  REQUIRE(file.fixture.fs().is_watched(file.node));
  for (int i = 0; i < 5; ++i) {
    file.open_and_close(self());
    CHECK(file.fixture.registry().registered() == 1);
    CHECK(file.fixture.registry().open_now() == 1);
  }
}

TEST_CASE("A file that isn't watched isn't kept", "[kept_inodes]") {
  WatchedFile file;
  file.fixture.fs().note_move(file.node, false);
  file.open_and_close(self());
  CHECK(file.fixture.registry().open_now() == 0);
}

TEST_CASE("A kept file goes when the kernel forgets it", "[kept_inodes]") {
  WatchedFile file;
  file.open_and_close(self());
  REQUIRE(file.fixture.registry().open_now() == 1);
  file.fixture.fs().forget(file.node, 1);
  CHECK(file.fixture.registry().open_now() == 0);
}

// The kernel sends a release when nobody waits for it: the deletion and the forgetting may be over.
TEST_CASE("A release that comes late keeps nothing of a file that is gone", "[kept_inodes]") {
  WatchedFile file;
  const auto opened = file.fixture.fs().open(file.node, O_RDONLY, self());
  REQUIRE(errno_of(opened) == 0);
  SECTION("deleted") {
    std::filesystem::remove(file.fixture / "file");
    file.fixture.fs().let_go_of_unused(file.node);
  }
  SECTION("forgotten") { file.fixture.fs().forget(file.node, 1); }
  file.fixture.fs().release(opened->handle);
  CHECK(file.fixture.registry().open_now() == 0);
}

TEST_CASE("Another user's open registers the file anew", "[kept_inodes]") {
  WatchedFile file;
  file.open_and_close(self());
  const Caller other{.uid = self().uid, .gid = self().gid + 1, .umask = 022};
  file.open_and_close(other);
  CHECK(file.fixture.registry().registered() == 2);
  CHECK(file.fixture.registry().open_now() == 1);
}

// Its rights were asked for once, for writing; and a file that is open for writing keeps a program
// from being run.
TEST_CASE("A file that was open for writing isn't kept", "[kept_inodes]") {
  const TemporaryDirectory source;
  write_file(source / "file", "bytes");
  mmapdir::MappingCache cache;
  FakeRegistry registry;
  WatchAll watch;
  const auto fs = FileSystem::create(
      open_directory(source.path()),
      {.access = Access::kReadWrite, .read_path = ReadPath::kPassthrough}, cache, registry);
  REQUIRE(fs);
  (*fs)->set_watch(watch);
  const auto entry = (*fs)->lookup(kRootNode, "file");
  REQUIRE(entry);
  const auto opened = (*fs)->open(entry->node, O_RDWR, self());
  REQUIRE(opened);
  (*fs)->release(opened->handle);
  CHECK(registry.open_now() == 0);
}

}  // namespace
}  // namespace mmapdirfs::test
