// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <memory>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr NodeId kUnknownNode{123456};

// A table over a temporary directory with one file, "file".
class Table {
 public:
  explicit Table(std::size_t descriptors = 16) {
    write_file(directory_ / "file", "bytes");
    auto source = Source::open(open_directory(directory_.path()));
    REQUIRE(source);
    source_ = std::make_unique<Source>(std::move(*source));
    const auto root = Source::attributes(source_->root()->get());
    REQUIRE(root);
    inodes_ = std::make_unique<InodeTable>(*source_, *root, descriptors);
  }

  InodeTable& inodes() { return *inodes_; }

  NodeId look_up(const char* name) {
    const auto entry = inodes_->lookup(kRootNode, source_->root()->get(), name);
    REQUIRE(errno_of(entry) == 0);
    return entry->node;
  }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<InodeTable> inodes_;
};

TEST_CASE("The table begins with the root alone, which is always reached", "[inodes]") {
  Table table;
  CHECK(table.inodes().size() == 1);
  CHECK(errno_of(table.inodes().reach(kRootNode)) == 0);
  table.inodes().forget(kRootNode, 1);
  CHECK(errno_of(table.inodes().reach(kRootNode)) == 0);
}

TEST_CASE("A record lasts as long as lookups are left", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK(table.look_up("file") == node);
  CHECK(table.inodes().size() == 2);
  table.inodes().forget(node, 1);
  CHECK(table.inodes().size() == 2);
  table.inodes().forget(node, 1);
  CHECK(table.inodes().size() == 1);
}

TEST_CASE("A reached inode is the file that was looked up", "[inodes]") {
  Table table(1);
  const NodeId node = table.look_up("file");
  const auto fd = table.inodes().reach(node);
  REQUIRE(fd);
  CHECK(Source::attributes((*fd)->get()).value().stx_size == 5);
}

TEST_CASE("A reached descriptor outlives the forgetting of its inode", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  const auto fd = table.inodes().reach(node);
  REQUIRE(fd);
  table.inodes().forget(node, 1);
  CHECK(errno_of(Source::attributes((*fd)->get())) == 0);
  CHECK(errno_of(table.inodes().reach(node)) == ESTALE);
}

TEST_CASE("A table asked to keep no descriptor works all the same", "[inodes]") {
  Table table(0);
  const NodeId node = table.look_up("file");
  CHECK(errno_of(table.inodes().reach(node)) == 0);
}

TEST_CASE("A version is the same only if it was the last one told", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK_FALSE(table.inodes().exchange_version(node, 1));
  CHECK(table.inodes().exchange_version(node, 1));
  CHECK_FALSE(table.inodes().exchange_version(node, 2));
  CHECK_FALSE(table.inodes().exchange_version(node, 1));
  CHECK(table.inodes().exchange_version(node, 1));
}

TEST_CASE("Zero is no version and equals nothing", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 5));
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 5));
}

TEST_CASE("An unknown inode has no version", "[inodes]") {
  Table table;
  CHECK_FALSE(table.inodes().exchange_version(kUnknownNode, 1));
  CHECK_FALSE(table.inodes().exchange_version(kUnknownNode, 1));
}

}  // namespace
}  // namespace mmapdirfs::test
