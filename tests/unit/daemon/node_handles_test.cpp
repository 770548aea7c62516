// SPDX-License-Identifier: MIT
#include "fs/node_handles.h"

#include <fmt/format.h>

#include <barrier>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <thread>
#include <vector>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

struct OneFile {
  explicit OneFile(std::size_t capacity = 8)
      : handles(fixture.fs(), {.files = capacity, .directories = capacity}) {
    write_file(fixture / "file", "bytes");
    std::filesystem::create_directory(fixture / "directory");
    node = fixture.node_of("file");
    directory = fixture.node_of("directory");
  }

  FileSystemCounts counts() { return fixture.fs().counts(); }

  Fixture fixture;
  NodeHandles handles;
  NodeId node = kNoNode;
  NodeId directory = kNoNode;
};

TEST_CASE("A node's file is opened once however often it is asked for", "[node_handles]") {
  OneFile one;
  const auto first = one.handles.file(one.node);
  const auto second = one.handles.file(one.node);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(**first == **second);
  CHECK(one.fixture.read(**first, 0, 10) == "bytes");
  CHECK(one.counts().open_files == 1);
}

TEST_CASE("Files and directories have handles of their own", "[node_handles]") {
  OneFile one;
  CHECK(one.handles.directory(one.directory));
  CHECK(one.handles.file(one.node));
  CHECK(one.counts().open_files == 1);
  CHECK(one.counts().open_directories == 1);
  CHECK(errno_of(one.handles.directory(one.node)) == ENOTDIR);
}

TEST_CASE("A directory whose handle was dropped is opened anew", "[node_handles]") {
  OneFile one;
  REQUIRE(one.handles.file(one.node));
  REQUIRE(one.handles.directory(one.directory));
  one.handles.drop_directory(one.directory);
  CHECK(one.counts().open_directories == 0);
  CHECK(one.counts().open_files == 1);
  CHECK(one.handles.directory(one.directory));
}

TEST_CASE("A node that isn't known is an error, and is asked for again", "[node_handles]") {
  OneFile one;
  CHECK(errno_of(one.handles.file(NodeId{12345})) != 0);
  CHECK(errno_of(one.handles.directory(NodeId{12345})) != 0);
  CHECK(one.counts().open_files == 0);
  CHECK(one.counts().open_directories == 0);
}

TEST_CASE("What is dropped is released once nobody uses it", "[node_handles]") {
  OneFile one;
  auto used = one.handles.file(one.node);
  REQUIRE(used);
  one.handles.drop(one.node);
  CHECK(one.counts().open_files == 1);
  CHECK(one.fixture.read(**used, 0, 10) == "bytes");
  used->reset();
  CHECK(one.counts().open_files == 0);
  CHECK(one.handles.file(one.node));
  CHECK(one.counts().open_files == 1);
}

TEST_CASE("However many files are used in turn, few are open", "[node_handles]") {
  constexpr std::size_t kCapacity = 3;
  OneFile one(kCapacity);
  for (int i = 0; i < 20; ++i) {
    const std::string name = fmt::format("file-{}", i);
    write_file(one.fixture / name, name);
    const auto handle = one.handles.file(one.fixture.node_of(name));
    REQUIRE(handle);
    CHECK(one.fixture.read(**handle, 0, 20) == name);
    CHECK(one.counts().open_files <= kCapacity + 1);
  }
}

TEST_CASE("Threads that ask at once share a handle or have one each, and none is left over",
          "[node_handles][threads]") {
  constexpr int kThreads = 8;
  OneFile one;
  for (int round = 0; round < 50; ++round) {
    std::barrier start(kThreads);
    {
      std::vector<std::jthread> threads;
      threads.reserve(kThreads);
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
          start.arrive_and_wait();
          const auto handle = one.handles.file(one.node);
          std::vector<std::byte> scratch;
          if (!handle || !one.fixture.fs().read(**handle, 0, 10, scratch)) {
            std::terminate();
          }
        });
      }
    }
    REQUIRE(one.counts().open_files == 1);
    one.handles.drop(one.node);
    REQUIRE(one.counts().open_files == 0);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
