// SPDX-License-Identifier: MIT
// Listings that look each name up: the counts that they raise are the kernel's to take back.

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <map>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

void make_files(const Fixture& fixture, int count) {
  for (int i = 0; i < count; ++i) {
    write_file(fixture / ("file-" + std::to_string(i)), "bytes");
  }
}

void forget_all(Fixture& fixture, const std::vector<Listed>& lines) {
  for (const Listed& line : lines) {
    if (line.entry) {
      fixture.fs().forget(line.entry->node, 1);
    }
  }
}

TEST_CASE("Each name but the dots comes with its inode and raises its count by one", "[plus]") {
  Fixture fixture({.reaching = each_reaching()});
  make_files(fixture, 5);
  const auto lines = fixture.list_plus(fixture.open_root());
  REQUIRE(lines.size() == 7);
  CHECK_FALSE(find_line(lines, ".")->entry);
  CHECK_FALSE(find_line(lines, "..")->entry);
  for (const Listed& line : lines) {
    if (line.entry) {
      CHECK(line.entry->attributes.stx_size == 5);
      CHECK(line.entry->attributes.stx_ino == line.inode);
    }
  }
  CHECK(fixture.fs().counts().inodes == 6);
  forget_all(fixture, lines);
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("A listing and a lookup find the same node", "[plus]") {
  Fixture fixture({.reaching = each_reaching()});
  make_files(fixture, 1);
  const NodeId looked_up = fixture.node_of("file-0");
  const auto lines = fixture.list_plus(fixture.open_root());
  CHECK(present(find_line(lines, "file-0")->entry).node == looked_up);
  fixture.fs().forget(looked_up, 1);
  CHECK(fixture.fs().counts().inodes == 2);
  fixture.fs().forget(looked_up, 1);
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("A lookup that found no room in the answer is taken back", "[plus]") {
  Fixture fixture({.reaching = each_reaching()});
  make_files(fixture, 9);
  for (const std::size_t room : {0U, 1U, 2U, 3U, 5U, 10U, 11U, 12U}) {
    CAPTURE(room);
    const HandleId handle = fixture.open_root();
    std::map<NodeId, std::uint64_t> counts;
    std::uint64_t cookie = 0;
    std::size_t names = 0;
    for (;;) {
      RecordingSink sink(room);
      REQUIRE(fixture.fs().readdirplus(kRootNode, handle, cookie, sink));
      if (sink.lines().empty()) {
        break;
      }
      for (const Listed& line : sink.lines()) {
        if (line.entry) {
          ++counts[line.entry->node];
        }
      }
      names += sink.lines().size();
      cookie = sink.lines().back().next;
      REQUIRE(fixture.fs().counts().inodes == counts.size() + 1);
    }
    CHECK(names == (room == 0 ? 0 : 11));
    for (const auto& [node, count] : counts) {
      CHECK(count == 1);
      fixture.fs().forget(node, count);
    }
    CHECK(fixture.fs().counts().inodes == 1);
    fixture.fs().releasedir(handle);
  }
}

TEST_CASE("A name that went before it could be looked up is named without an inode", "[plus]") {
  Fixture fixture;
  make_files(fixture, 5);
  const HandleId handle = fixture.open_root();
  RecordingSink first(1);  // reads the names ahead
  REQUIRE(fixture.fs().readdirplus(kRootNode, handle, 0, first));
  for (int i = 0; i < 5; ++i) {
    std::filesystem::remove(fixture / ("file-" + std::to_string(i)));
  }
  forget_all(fixture, first.lines());
  const auto rest = fixture.list_plus(handle, first.lines().back().next);
  CHECK(rest.size() == 6);
  for (const Listed& line : rest) {
    CAPTURE(line.name);
    CHECK_FALSE(line.entry);
    CHECK(line.inode != 0);
  }
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("Names and lookups can be asked of one handle in turn", "[plus]") {
  Fixture fixture;
  make_files(fixture, 10);
  const HandleId handle = fixture.open_root();
  RecordingSink some(5);
  REQUIRE(fixture.fs().readdir(handle, 0, some));
  const auto rest = fixture.list_plus(handle, some.lines().back().next);
  CHECK(rest.size() == 7);
  const auto again = fixture.list(handle, some.lines().front().next);
  CHECK(again.size() == 11);
}

TEST_CASE("Hard links in a listing share a node and count twice", "[plus]") {
  Fixture fixture({.reaching = each_reaching()});
  make_files(fixture, 1);
  std::filesystem::create_hard_link(fixture / "file-0", fixture / "link");
  const auto lines = fixture.list_plus(fixture.open_root());
  const NodeId node = present(find_line(lines, "link")->entry).node;
  CHECK(present(find_line(lines, "file-0")->entry).node == node);
  fixture.fs().forget(node, 1);
  CHECK(errno_of(fixture.fs().getattr(node)) == 0);
  fixture.fs().forget(node, 1);
  CHECK(errno_of(fixture.fs().getattr(node)) == ESTALE);
}

TEST_CASE("A listing shows symlinks themselves", "[plus]") {
  Fixture fixture;
  std::filesystem::create_symlink("/etc", fixture / "link");
  const auto lines = fixture.list_plus(fixture.open_root());
  CHECK(S_ISLNK(present(find_line(lines, "link")->entry).attributes.stx_mode));
}

TEST_CASE("What a listing found can be opened beneath its directory", "[plus]") {
  Fixture fixture({.cached_descriptors = 1, .reaching = each_reaching()});
  std::filesystem::create_directories(fixture / "a/b");
  write_file(fixture / "a/b/file", "deep");
  const NodeId b = fixture.node_of("a/b");
  const auto handle = fixture.fs().opendir(b);
  REQUIRE(handle);
  RecordingSink sink;
  REQUIRE(fixture.fs().readdirplus(b, *handle, 0, sink));
  const Listed* file = find_line(sink.lines(), "file");
  REQUIRE(file);
  fixture.look_up("a");  // takes the one cached descriptor
  CHECK(fixture.read_whole(present(file->entry).node) == "deep");
}

}  // namespace
}  // namespace mmapdirfs::test
