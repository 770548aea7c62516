// SPDX-License-Identifier: MIT
// Registrations with the kernel: one for each inode, as long as it is open.

#include <fcntl.h>

#include <array>
#include <barrier>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <thread>
#include <vector>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

FixtureOptions passthrough() { return {.read_path = ReadPath::kPassthrough}; }

TEST_CASE("An inode is registered once however often it is open", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  std::filesystem::create_hard_link(fixture / "file", fixture / "link");
  const auto first = fixture.open(fixture.node_of("file"));
  const auto second = fixture.open(fixture.node_of("file"));
  const auto third = fixture.open(fixture.node_of("link"));
  CHECK(fixture.registry().registered() == 1);
  CHECK(first.path == ReadPath::kPassthrough);
  CHECK(first.backing != kNoBacking);
  CHECK(second.backing == first.backing);
  CHECK(third.backing == first.backing);
  CHECK(first.handle != second.handle);
}

TEST_CASE("Two files have registrations of their own", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "one", "1");
  write_file(fixture / "two", "2");
  const auto one = fixture.open(fixture.node_of("one"));
  const auto two = fixture.open(fixture.node_of("two"));
  CHECK(one.backing != two.backing);
  CHECK(fixture.registry().open_now() == 2);
}

TEST_CASE("A registration is closed at the last release and only then", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  std::array<HandleId, 3> handles{};
  for (HandleId& handle : handles) {
    handle = fixture.open(node).handle;
  }
  // Whichever order they go in.
  for (const std::size_t next : {1U, 0U}) {
    fixture.fs().release(handles[next]);
    CHECK(fixture.registry().open_now() == 1);
  }
  fixture.fs().release(handles[2]);
  CHECK(fixture.registry().open_now() == 0);
  fixture.fs().release(handles[2]);
  CHECK(fixture.registry().wrong_closes() == 0);
  CHECK(fixture.fs().counts().open_inodes == 0);
}

TEST_CASE("Opened again after the last release, a file is registered anew", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  const auto first = fixture.open(node);
  fixture.fs().release(first.handle);
  const auto second = fixture.open(node);
  CHECK(second.backing != first.backing);
  CHECK(fixture.registry().registered() == 2);
  CHECK(fixture.registry().open_now() == 1);
}

TEST_CASE("A forgotten inode keeps its registration while it is open", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  const auto opened = fixture.open(node);
  fixture.fs().forget(node, 1);
  CHECK(fixture.registry().open_now() == 1);
  fixture.fs().release(opened.handle);
  CHECK(fixture.registry().open_now() == 0);
}

TEST_CASE("A file that the kernel won't register is read mapped", "[passthrough]") {
  Fixture fixture(passthrough());
  fixture.registry().refuse_with(EPERM);
  write_file(fixture / "file", "bytes");
  const auto opened = fixture.open(fixture.node_of("file"));
  CHECK(opened.path == ReadPath::kMapped);
  CHECK(opened.backing == kNoBacking);
  CHECK(fixture.read(opened.handle, 0, 5) == "bytes");
  CHECK(fixture.cache().counters().mappings == 1);
}

TEST_CASE("The read path of an inode stays until its last release", "[passthrough]") {
  Fixture fixture(passthrough());
  fixture.registry().refuse_with(ELOOP);
  write_file(fixture / "file", "bytes");
  write_file(fixture / "other", "bytes");
  const NodeId node = fixture.node_of("file");
  const auto first = fixture.open(node);
  fixture.registry().refuse_with(0);
  const auto second = fixture.open(node);
  CHECK(second.path == ReadPath::kMapped);
  CHECK(second.backing == kNoBacking);
  // One refusal says nothing of another file.
  CHECK(fixture.open(fixture.node_of("other")).path == ReadPath::kPassthrough);

  fixture.fs().release(first.handle);
  CHECK(fixture.open(node).path == ReadPath::kMapped);
}

TEST_CASE("After the last release the read path is chosen anew", "[passthrough]") {
  Fixture fixture(passthrough());
  fixture.registry().refuse_with(EPERM);
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  fixture.fs().release(fixture.open(node).handle);
  fixture.registry().refuse_with(0);
  CHECK(fixture.open(node).path == ReadPath::kPassthrough);
}

TEST_CASE("Passthrough opens never ask the kernel to keep pages", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  CHECK_FALSE(fixture.open(node).keep_pages);
  CHECK_FALSE(fixture.open(node).keep_pages);
}

TEST_CASE("A file replaced by rename is registered beside the old one", "[passthrough]") {
  Fixture fixture(passthrough());
  write_file(fixture / "file", "old");
  const auto old_file = fixture.open(fixture.node_of("file"));
  write_file(fixture / "new", "new");
  std::filesystem::rename(fixture / "new", fixture / "file");
  const auto new_file = fixture.open(fixture.node_of("file"));
  CHECK(new_file.backing != old_file.backing);
  CHECK(fixture.read(old_file.handle, 0, 3) == "old");
  CHECK(fixture.read(new_file.handle, 0, 3) == "new");
}

TEST_CASE("Other read paths register nothing", "[passthrough]") {
  for (const ReadPath path : {ReadPath::kMapped, ReadPath::kPlain}) {
    Fixture fixture({.read_path = path});
    write_file(fixture / "file", "bytes");
    const auto opened = fixture.open(fixture.node_of("file"));
    CHECK(opened.path == path);
    CHECK(opened.backing == kNoBacking);
    CHECK(fixture.registry().registered() == 0);
  }
}

TEST_CASE("A file system that ends with files open closes their registrations", "[passthrough]") {
  const TemporaryDirectory source;
  write_file(source / "file", "bytes");
  mmapdir::MappingCache cache;
  FakeRegistry registry;
  {
    auto fs = FileSystem::create(open_directory(source.path()),
                                 {.read_path = ReadPath::kPassthrough}, cache, registry);
    REQUIRE(fs);
    const auto entry = (*fs)->lookup(kRootNode, "file");
    REQUIRE(entry);
    REQUIRE((*fs)->open(entry->node, O_RDONLY, self()));
    CHECK(registry.open_now() == 1);
  }
  CHECK(registry.open_now() == 0);
  CHECK(registry.wrong_closes() == 0);
}

TEST_CASE("Concurrent first opens register a file once", "[passthrough][threads]") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  Fixture fixture(passthrough());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  for (int round = 1; round <= kRounds; ++round) {
    std::vector<Result<OpenedFile>> opened(kThreads, std::unexpected(Error::from_errno(EIO, "")));
    std::barrier start(kThreads);
    {
      std::vector<std::jthread> threads;
      threads.reserve(kThreads);
      for (auto& mine : opened) {
        threads.emplace_back([&] {
          start.arrive_and_wait();
          mine = fixture.fs().open(node, O_RDONLY, self());
        });
      }
    }
    REQUIRE(fixture.registry().registered() == static_cast<std::uint32_t>(round));
    for (const auto& each : opened) {
      REQUIRE(errno_of(each) == 0);
      REQUIRE(each->backing == opened.front()->backing);
      fixture.fs().release(each->handle);
    }
    REQUIRE(fixture.registry().open_now() == 0);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
