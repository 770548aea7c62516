// SPDX-License-Identifier: MIT
// opendir, readdir, fsyncdir and releasedir.

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <ranges>
#include <string>
#include <vector>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using Names = std::vector<std::string>;

Names with_dots(Names names) {
  names.insert(names.end(), {".", ".."});
  std::ranges::sort(names);
  return names;
}

Names make_files(const Fixture& fixture, int count) {
  Names names;
  for (int i = 0; i < count; ++i) {
    names.push_back("file-" + std::to_string(i));
    write_file(fixture / names.back(), "");
  }
  return names;
}

TEST_CASE("A listing names everything once, with the source's inode numbers and types",
          "[directories]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  std::filesystem::create_directory(fixture / "directory");
  std::filesystem::create_symlink("nowhere", fixture / "link");
  must(::mkfifo((fixture / "fifo").c_str(), 0600), "mkfifo");
  const auto lines = fixture.list(fixture.open_root());
  CHECK(names_of(lines) == with_dots({"directory", "fifo", "file", "link"}));
  for (const char* name : {"directory", "fifo", "file", "link"}) {
    CAPTURE(name);
    struct stat wanted{};
    must(::lstat((fixture / name).c_str(), &wanted), "lstat");
    CHECK(find_line(lines, name)->inode == wanted.st_ino);
    CHECK(find_line(lines, name)->type == (wanted.st_mode & S_IFMT));
  }
  struct stat root{};
  must(::stat(fixture.path().c_str(), &root), "stat");
  CHECK(find_line(lines, ".")->inode == root.st_ino);
}

TEST_CASE("A plain listing raises no lookup count", "[directories]") {
  Fixture fixture;
  make_files(fixture, 10);
  for (const Listed& line : fixture.list(fixture.open_root())) {
    CHECK_FALSE(line.entry);
  }
  CHECK(fixture.fs().counts().inodes == 1);
}

TEST_CASE("An empty directory lists itself and its parent", "[directories]") {
  Fixture fixture;
  CHECK(names_of(fixture.list(fixture.open_root())) == with_dots({}));
}

TEST_CASE("A listing goes on from any name's cookie", "[directories]") {
  Fixture fixture;
  make_files(fixture, 30);
  const HandleId handle = fixture.open_root();
  const auto whole = fixture.list(handle);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto rest = fixture.list(handle, whole[i].next);
    REQUIRE(rest.size() == whole.size() - i - 1);
    CHECK(std::ranges::equal(rest, whole | std::views::drop(i + 1), {}, &Listed::name,
                             &Listed::name));
  }
}

TEST_CASE("A sink that fills up at any point loses no name and repeats none", "[directories]") {
  Fixture fixture;
  const Names files = make_files(fixture, 25);
  for (const std::size_t room : {1U, 2U, 3U, 7U, 26U, 27U, 28U}) {
    CAPTURE(room);
    const HandleId handle = fixture.open_root();
    std::vector<Listed> all;
    std::uint64_t cookie = 0;
    for (;;) {
      RecordingSink sink(room);
      REQUIRE(fixture.fs().readdir(handle, cookie, sink));
      if (sink.lines().empty()) {
        break;
      }
      all.insert(all.end(), sink.lines().begin(), sink.lines().end());
      cookie = all.back().next;
    }
    CHECK(names_of(all) == with_dots(files));
    fixture.fs().releasedir(handle);
  }
}

TEST_CASE("A sink without any room gets nothing, and the listing stays where it is",
          "[directories]") {
  Fixture fixture;
  const Names files = make_files(fixture, 3);
  const HandleId handle = fixture.open_root();
  RecordingSink none(0);
  REQUIRE(fixture.fs().readdir(handle, 0, none));
  CHECK(names_of(fixture.list(handle)) == with_dots(files));
}

TEST_CASE("A directory larger than any buffer is listed whole", "[directories]") {
  Fixture fixture;
  const Names files = make_files(fixture, 3000);
  CHECK(names_of(fixture.list(fixture.open_root())) == with_dots(files));
}

TEST_CASE("Rewound, a listing shows the names that came since and not those that went",
          "[directories]") {
  Fixture fixture;
  write_file(fixture / "old", "");
  const HandleId handle = fixture.open_root();
  CHECK(names_of(fixture.list(handle)) == with_dots({"old"}));
  write_file(fixture / "new", "");
  std::filesystem::remove(fixture / "old");
  CHECK(names_of(fixture.list(handle)) == with_dots({"new"}));
}

TEST_CASE("At the end of a listing there is nothing, however often it is asked for",
          "[directories]") {
  Fixture fixture;
  const HandleId handle = fixture.open_root();
  const auto end = fixture.list(handle).back().next;
  CHECK(fixture.list(handle, end).empty());
  CHECK(fixture.list(handle, end).empty());
}

TEST_CASE("Two handles of one directory list independently", "[directories]") {
  Fixture fixture;
  make_files(fixture, 10);
  const HandleId one = fixture.open_root();
  const HandleId other = fixture.open_root();
  CHECK(one != other);
  RecordingSink some(4);
  REQUIRE(fixture.fs().readdir(one, 0, some));
  CHECK(fixture.list(other).size() == 12);
  CHECK(fixture.list(one, some.lines().back().next).size() == 8);
}

TEST_CASE("Only a directory can be opened as one", "[directories]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  CHECK(errno_of(fixture.fs().opendir(fixture.node_of("file"))) == ENOTDIR);
  CHECK(fixture.fs().counts().open_directories == 0);
}

TEST_CASE("A directory handle is used until it is released", "[directories]") {
  Fixture fixture;
  const HandleId handle = fixture.open_root();
  CHECK(errno_of(fixture.fs().fsyncdir(handle, false)) == 0);
  CHECK(errno_of(fixture.fs().fsyncdir(handle, true)) == 0);
  CHECK(fixture.fs().counts().open_directories == 1);
  fixture.fs().releasedir(handle);
  CHECK(fixture.fs().counts().open_directories == 0);
  RecordingSink sink;
  CHECK(errno_of(fixture.fs().readdir(handle, 0, sink)) == EBADF);
  CHECK(errno_of(fixture.fs().fsyncdir(handle, false)) == EBADF);
}

TEST_CASE("A directory deleted while it is open lists nothing more", "[directories]") {
  Fixture fixture;
  std::filesystem::create_directory(fixture / "directory");
  const auto handle = fixture.fs().opendir(fixture.node_of("directory"));
  REQUIRE(handle);
  std::filesystem::remove(fixture / "directory");
  RecordingSink sink;
  const auto listed = fixture.fs().readdir(*handle, 0, sink);
  CHECK((errno_of(listed) == 0 || errno_of(listed) == ENOENT));
  CHECK(sink.lines().empty());
}

TEST_CASE("A cookie that was never given out is an error or an empty rest, never a crash",
          "[directories]") {
  Fixture fixture;
  make_files(fixture, 3);
  const HandleId handle = fixture.open_root();
  for (const std::uint64_t cookie : {std::uint64_t{1}, std::uint64_t{12345}, ~std::uint64_t{0}}) {
    CAPTURE(cookie);
    RecordingSink sink;
    const auto listed = fixture.fs().readdir(handle, cookie, sink);
    CHECK((listed || errno_of(listed) == EINVAL));
    CHECK(sink.lines().size() <= 5);
  }
  CHECK(fixture.list(handle).size() == 5);
}

}  // namespace
}  // namespace mmapdirfs::test
