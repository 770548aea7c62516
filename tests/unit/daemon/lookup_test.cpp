// SPDX-License-Identifier: MIT
// Names, nodes and lookup counts.

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr NodeId kUnknownNode{123456};

TEST_CASE("A name is found with the attributes that the source has", "[lookup]") {
  Fixture fixture;
  write_file(fixture / "file", "twelve bytes", 0640);
  const Entry entry = fixture.look_up("file");
  struct stat source{};
  must(::lstat((fixture / "file").c_str(), &source), "lstat");
  CHECK(entry.attributes.stx_ino == source.st_ino);
  CHECK(entry.attributes.stx_size == 12);
  CHECK(entry.attributes.stx_mode == (S_IFREG | 0640U));
  CHECK(entry.attributes.stx_nlink == 1);
}

TEST_CASE("A name that isn't there is refused with the source's errno", "[lookup]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  std::filesystem::create_symlink("file", fixture / "link");
  const NodeId file = fixture.node_of("file");
  const NodeId link = fixture.node_of("link");
  CHECK(errno_of(fixture.fs().lookup(kRootNode, "absent")) == ENOENT);
  CHECK(errno_of(fixture.fs().lookup(kRootNode, std::string(256, 'x').c_str())) == ENAMETOOLONG);
  CHECK(errno_of(fixture.fs().lookup(file, "beneath")) == ENOTDIR);
  CHECK(errno_of(fixture.fs().lookup(link, "beneath")) == ENOTDIR);
  CHECK(errno_of(fixture.fs().lookup(kUnknownNode, "file")) == ESTALE);
}

TEST_CASE("Only a single component is a name", "[lookup]") {
  Fixture fixture;
  std::filesystem::create_directories(fixture / "a/b");
  const NodeId directory = fixture.node_of("a");
  for (const char* name : {"", "a/b", "/", "/etc", "a/", "../a", "./a"}) {
    CAPTURE(name);
    CHECK(errno_of(fixture.fs().lookup(kRootNode, name)) == EINVAL);
    CHECK(errno_of(fixture.fs().lookup(directory, name)) == EINVAL);
  }
  CHECK(fixture.fs().counts().inodes == 2);
}

TEST_CASE("A dot is the node itself, two are the directory above it and never above the root",
          "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  std::filesystem::create_directories(fixture / "a/b");
  write_file(fixture / "file", "");
  const NodeId inner = fixture.node_of("a/b");
  const NodeId outer = fixture.node_of("a");
  const auto found = [&](NodeId node, const char* name) {
    const auto entry = fixture.fs().lookup(node, name);
    return entry ? entry->node : kNoNode;
  };
  CHECK(found(inner, ".") == inner);
  CHECK(found(inner, "..") == outer);
  CHECK(found(outer, "..") == kRootNode);
  CHECK(found(kRootNode, ".") == kRootNode);
  CHECK(found(kRootNode, "..") == kRootNode);
  CHECK(errno_of(fixture.fs().lookup(fixture.node_of("file"), "..")) == ENOTDIR);
  CHECK(errno_of(fixture.fs().lookup(kUnknownNode, ".")) == ESTALE);

  const TemporaryDirectory elsewhere;
  std::filesystem::rename(fixture / "a/b", elsewhere / "b");
  CHECK(errno_of(fixture.fs().lookup(inner, "..")) == ESTALE);
}

TEST_CASE("Names that only look special are found", "[lookup]") {
  Fixture fixture;
  for (const char* name : {"...", "..a", ".a", " ", "a\nb", "\xff\xfe", "\\"}) {
    CAPTURE(name);
    write_file(fixture / name, "");
    CHECK(errno_of(fixture.fs().lookup(kRootNode, name)) == 0);
  }
}

TEST_CASE("A symlink is found itself and never followed", "[lookup]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  std::filesystem::create_symlink("file", fixture / "inside");
  std::filesystem::create_directory_symlink("/", fixture / "outside");
  std::filesystem::create_symlink("nowhere", fixture / "dangling");
  const NodeId file = fixture.node_of("file");
  for (const char* name : {"inside", "outside", "dangling"}) {
    CAPTURE(name);
    const Entry link = fixture.look_up(name);
    CHECK(S_ISLNK(link.attributes.stx_mode));
    CHECK(link.node != file);
  }
}

TEST_CASE("A symlink that leads out of the source can't be entered", "[lookup]") {
  Fixture fixture;
  std::filesystem::create_directory_symlink("/", fixture / "outside");
  const NodeId link = fixture.node_of("outside");
  CHECK(errno_of(fixture.fs().lookup(link, "etc")) == ENOTDIR);
  CHECK(errno_of(fixture.fs().opendir(link)) != 0);
  CHECK(errno_of(fixture.fs().open(link, O_RDONLY, self())) == ELOOP);
}

TEST_CASE("Looked up again, a file keeps its node", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "");
  std::filesystem::create_directory(fixture / "directory");
  CHECK(fixture.node_of("file") == fixture.node_of("file"));
  CHECK(fixture.node_of("directory") == fixture.node_of("directory"));
  CHECK(fixture.fs().counts().inodes == 3);
}

TEST_CASE("Hard links share a node", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  std::filesystem::create_directory(fixture / "directory");
  write_file(fixture / "first", "shared");
  std::filesystem::create_hard_link(fixture / "first", fixture / "directory/second");
  const NodeId first = fixture.node_of("first");
  CHECK(fixture.node_of("directory/second") == first);
  CHECK(fixture.look_up("first").attributes.stx_nlink == 2);
}

TEST_CASE("A file that takes another's name by rename gets a node of its own", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "old");
  const NodeId old_node = fixture.node_of("file");
  write_file(fixture / "new", "new");
  std::filesystem::rename(fixture / "new", fixture / "file");
  const NodeId new_node = fixture.node_of("file");
  CHECK(new_node != old_node);
  CHECK(fixture.read_whole(new_node) == "new");
}

TEST_CASE("A renamed file keeps its node", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "before", "");
  const NodeId node = fixture.node_of("before");
  std::filesystem::rename(fixture / "before", fixture / "after");
  CHECK(fixture.node_of("after") == node);
}

TEST_CASE("An inode is forgotten with its last lookup and not before", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "");
  const NodeId node = fixture.node_of("file");
  fixture.look_up("file");
  fixture.look_up("file");

  fixture.fs().forget(node, 2);
  CHECK(errno_of(fixture.fs().getattr(node)) == 0);
  CHECK(fixture.fs().counts().inodes == 2);

  fixture.fs().forget(node, 1);
  CHECK(errno_of(fixture.fs().getattr(node)) == ESTALE);
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("A node id is never given out twice", "[lookup]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "");
  const NodeId first = fixture.node_of("file");
  fixture.fs().forget(first, 1);
  const NodeId second = fixture.node_of("file");
  CHECK(second > first);
}

TEST_CASE("Forgetting more than was looked up, or what was never known, does no harm", "[lookup]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  const NodeId node = fixture.node_of("file");
  fixture.fs().forget(node, ~std::uint64_t{0});
  fixture.fs().forget(node, 1);
  fixture.fs().forget(kUnknownNode, 1);
  fixture.fs().forget(kNoNode, 1);
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("The root is never forgotten", "[lookup]") {
  Fixture fixture;
  fixture.fs().forget(kRootNode, 1000);
  CHECK(errno_of(fixture.fs().getattr(kRootNode)) == 0);
  CHECK(fixture.fs().counts().inodes == 1);
}

}  // namespace
}  // namespace mmapdirfs::test
