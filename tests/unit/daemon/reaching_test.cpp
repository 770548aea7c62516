// SPDX-License-Identifier: MIT
// Known files found again with next to no descriptors, while the source is rearranged: the same
// file or ESTALE, never another one.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

// Keeps one descriptor, so that each file has to be found again after another one was looked at.
struct Scarce : Fixture {
  explicit Scarce(Reaching reaching) : Fixture({.cached_descriptors = 1, .reaching = reaching}) {
    write_file(*this / "decoy", "");
  }

  void drop_descriptors() { fs().forget(node_of("decoy"), 1), look_up("decoy"); }
};

std::string open_descriptors() {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    const auto target = std::filesystem::read_symlink(entry.path(), closed).string();
    all += closed ? "" : target + "\n";
  }
  return all;
}

std::size_t occurrences(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST_CASE("Known inodes cost no more descriptors than were granted", "[reaching]") {
  Fixture fixture({.cached_descriptors = 4, .reaching = each_reaching()});
  std::vector<NodeId> nodes;
  for (int i = 0; i < 50; ++i) {
    write_file(fixture / std::to_string(i), std::to_string(i));
    nodes.push_back(fixture.node_of(std::to_string(i)));
  }
  for (int i = 0; i < 50; ++i) {
    CHECK(fixture.read_whole(nodes[static_cast<std::size_t>(i)]) == std::to_string(i));
  }
  fixture.cache().clear();
  CHECK(occurrences(open_descriptors(), fixture.path().string() + "/") <= 4);
}

TEST_CASE("Every file of a deep tree is found again in any order", "[reaching]") {
  constexpr int kDepth = 30;
  Scarce fixture(each_reaching());
  std::string path;
  std::vector<NodeId> files;
  for (int i = 0; i < kDepth; ++i) {
    path += (i == 0 ? "d" : "/d");
    std::filesystem::create_directory(fixture / path);
    write_file(fixture / (path + "/file"), std::to_string(i));
    files.push_back(fixture.node_of(path + "/file"));
  }
  for (const int i : {29, 0, 15, 28, 1, 29, 14}) {
    CAPTURE(i);
    CHECK(fixture.read_whole(files[static_cast<std::size_t>(i)]) == std::to_string(i));
  }
}

TEST_CASE("A path longer than PATH_MAX is no obstacle", "[reaching]") {
  Scarce fixture(each_reaching());
  const std::string name(200, 'n');
  NodeId node = kRootNode;
  UniqueFd directory = open_directory(fixture.path());
  for (int depth = 0; depth < 30; ++depth) {
    must(::mkdirat(directory.get(), name.c_str(), 0755), "mkdirat");
    directory = UniqueFd(must(
        ::openat(directory.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), "openat"));
    const auto entry = fixture.fs().lookup(node, name.c_str());
    REQUIRE(errno_of(entry) == 0);
    node = entry->node;
  }
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(node)) == 0);
}

TEST_CASE("With a parent renamed, the file is found by handle or stale by name", "[reaching]") {
  const Reaching reaching = each_reaching();
  Scarce fixture(reaching);
  std::filesystem::create_directory(fixture / "directory");
  write_file(fixture / "directory/file", "right");
  const NodeId file = fixture.node_of("directory/file");
  std::filesystem::rename(fixture / "directory", fixture / "elsewhere");
  std::filesystem::create_directory(fixture / "directory");
  write_file(fixture / "directory/file", "wrong");
  fixture.drop_descriptors();

  const auto attributes = fixture.fs().getattr(file);
  CHECK(errno_of(attributes) == (reaching == Reaching::kByHandle ? 0 : ESTALE));
  CHECK(fixture.node_of("elsewhere/file") == file);
  fixture.drop_descriptors();
  CHECK(fixture.read_whole(file) == "right");
}

TEST_CASE("A directory moved on the source is found again once it was seen there", "[reaching]") {
  Scarce fixture(each_reaching());
  std::filesystem::create_directories(fixture / "a/b/c");
  write_file(fixture / "a/b/c/file", "bytes");
  const NodeId file = fixture.node_of("a/b/c/file");
  std::filesystem::rename(fixture / "a/b", fixture / "b");
  fixture.look_up("b");
  fixture.drop_descriptors();
  CHECK(fixture.read_whole(file) == "bytes");
}

TEST_CASE("Directories that changed places in the tree lead nowhere rather than round and round",
          "[reaching]") {
  const Reaching reaching = each_reaching();
  Scarce fixture(reaching);
  std::filesystem::create_directories(fixture / "a/b");
  const NodeId a = fixture.node_of("a");
  const NodeId b = fixture.node_of("a/b");  // b's descriptor is the one at hand now
  std::filesystem::rename(fixture / "a/b", fixture / "b");
  std::filesystem::rename(fixture / "a", fixture / "b/a");
  const auto moved = fixture.fs().lookup(b, "a");
  REQUIRE(errno_of(moved) == 0);
  CHECK(moved->node == a);
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(a)) == (reaching == Reaching::kByHandle ? 0 : ESTALE));
  CHECK(errno_of(fixture.fs().getattr(b)) == (reaching == Reaching::kByHandle ? 0 : ESTALE));
  CHECK(fixture.node_of("b/a") == a);
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(a)) == 0);
}

TEST_CASE("A file that took a known one's name is never taken for it", "[reaching]") {
  Scarce fixture(each_reaching());
  write_file(fixture / "file", "old");
  const NodeId node = fixture.node_of("file");
  write_file(fixture / "new", "new");
  std::filesystem::rename(fixture / "new", fixture / "file");
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(node)) == ESTALE);
  CHECK(errno_of(fixture.fs().open(node, O_RDONLY, self())) == ESTALE);
}

TEST_CASE("A deleted file is stale once nothing holds it", "[reaching]") {
  Scarce fixture(each_reaching());
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  std::filesystem::remove(fixture / "file");
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(node)) == ESTALE);
  CHECK(errno_of(fixture.fs().open(node, O_RDONLY, self())) == ESTALE);
  CHECK(fixture.fs().counts().open_inodes == 0);
  fixture.fs().forget(node, 1);
}

TEST_CASE("Who was told that a file is stale opens what the name leads to then, deleted or not",
          "[reaching]") {
  Scarce fixture(each_reaching());
  write_file(fixture / "file", "old");
  const NodeId old = fixture.node_of("file");
  std::filesystem::remove(fixture / "file");
  fixture.drop_descriptors();
  const Caller caller = self();
  REQUIRE(errno_of(fixture.fs().open(old, O_RDONLY, caller)) == ESTALE);
  write_file(fixture / "file", "new");
  const auto found = fixture.fs().lookup(kRootNode, "file", caller.thread);
  REQUIRE(errno_of(found) == 0);
  std::filesystem::remove(fixture / "file");
  fixture.drop_descriptors();
  const auto opened = fixture.fs().open(found->node, O_RDONLY, caller);
  REQUIRE(errno_of(opened) == 0);
  CHECK(fixture.read(opened->handle, 0, 100) == "new");
  fixture.fs().release(opened->handle);
  fixture.fs().forget(found->node, 1);
}

TEST_CASE("With one of its names deleted, a file is found by handle or by a name seen again",
          "[reaching]") {
  const Reaching reaching = each_reaching();
  Scarce fixture(reaching);
  write_file(fixture / "first", "bytes");
  std::filesystem::create_hard_link(fixture / "first", fixture / "second");
  const NodeId node = fixture.node_of("first");
  fixture.look_up("second");
  std::filesystem::remove(fixture / "second");
  fixture.drop_descriptors();
  CHECK(errno_of(fixture.fs().getattr(node)) == (reaching == Reaching::kByHandle ? 0 : ESTALE));
  CHECK(fixture.node_of("first") == node);
  fixture.drop_descriptors();
  CHECK(fixture.read_whole(node) == "bytes");
}

struct statx status_of(const std::filesystem::path& path) {
  struct statx found{};
  must(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &found),
       "statx");
  return found;
}

bool born_together(const struct statx& a, const struct statx& b) {
  return a.stx_btime.tv_sec == b.stx_btime.tv_sec && a.stx_btime.tv_nsec == b.stx_btime.tv_nsec;
}

// Waits for the next tick of the file system's clock, which nothing else tells.
void outlast_birth(const Fixture& fixture, const struct statx& file) {
  REQUIRE(mmapdir::test::eventually([&] {
    std::filesystem::remove(fixture / "probe");
    write_file(fixture / "probe", "");
    return !born_together(status_of(fixture / "probe"), file);
  }));
}

struct Recycled {
  std::string name;  // of a file that has the inode number of a deleted one
  NodeId old_node;   // of the deleted one
};

// Another process may snatch the number away, so it takes several tries at times.
std::optional<Recycled> recycle(Scarce& fixture) {
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    const std::string name = "file-" + std::to_string(i);
    write_file(fixture / name, "old");
    const struct statx before = status_of(fixture / name);
    const NodeId node = fixture.node_of(name);
    outlast_birth(fixture, before);
    fixture.drop_descriptors();
    std::filesystem::remove(fixture / name);
    write_file(fixture / name, "new");
    if (status_of(fixture / name).stx_ino == before.stx_ino) {
      return Recycled{.name = name, .old_node = node};
    }
  }
  return std::nullopt;
}

TEST_CASE("A file that was given a deleted one's inode number is another file", "[reaching]") {
  Scarce fixture(each_reaching());
  const auto recycled = recycle(fixture);
  if (!recycled) {
    SKIP("this file system doesn't give inode numbers out again soon");
  }
  const auto& [name, old_node] = present(recycled);
  SECTION("found by its name") {
    const NodeId new_node = fixture.node_of(name);
    CHECK(new_node != old_node);
    fixture.drop_descriptors();
    CHECK(errno_of(fixture.fs().getattr(old_node)) == ESTALE);
    fixture.fs().forget(old_node, 1);
    CHECK(fixture.node_of(name) == new_node);
    CHECK(fixture.read_whole(new_node) == "new");
  }
  SECTION("not found as the old one") {
    CHECK(errno_of(fixture.fs().getattr(old_node)) == ESTALE);
    CHECK(errno_of(fixture.fs().open(old_node, O_RDONLY, self())) == ESTALE);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
