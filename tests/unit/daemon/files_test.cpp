// SPDX-License-Identifier: MIT
// open, read, lseek, fsync and release, whichever way the bytes are read.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>

#include "support/requirements.h"
#include "unit/daemon/credentials.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr HandleId kUnknownHandle{123456};

ReadPath each_read_path() {
  return GENERATE(ReadPath::kPassthrough, ReadPath::kMapped, ReadPath::kPlain);
}

TEST_CASE("Bytes read are the source's at every offset and length", "[files]") {
  Fixture fixture({.read_path = each_read_path()});
  constexpr std::size_t kPage = 4096;
  const std::string content = pattern((2 * kPage) + 100, 7);
  write_file(fixture / "file", content);
  const auto opened = fixture.open(fixture.node_of("file"));
  for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, kPage - 1, kPage, kPage + 1,
                                   content.size() - 1, content.size()}) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{1}, kPage, content.size()}) {
      CAPTURE(offset, length);
      CHECK(fixture.read(opened.handle, offset, length) == content.substr(offset, length));
    }
  }
  fixture.fs().release(opened.handle);
}

TEST_CASE("Beyond the end of a file there is nothing to read", "[files]") {
  Fixture fixture({.read_path = each_read_path()});
  write_file(fixture / "file", "bytes");
  write_file(fixture / "empty", "");
  const auto file = fixture.open(fixture.node_of("file"));
  const auto empty = fixture.open(fixture.node_of("empty"));
  constexpr std::uint64_t kFar = std::uint64_t{1} << 40U;
  CHECK(fixture.read(file.handle, 5, 100).empty());
  CHECK(fixture.read(file.handle, kFar, 100).empty());
  CHECK(fixture.read(file.handle, 4, 100) == "s");
  CHECK(fixture.read(empty.handle, 0, 100).empty());
}

TEST_CASE("Holes are read as zeros", "[files]") {
  Fixture fixture({.read_path = each_read_path()});
  constexpr std::size_t kHole = std::size_t{1} << 20U;
  write_file(fixture / "sparse", "");
  const UniqueFd fd = open_fd(fixture / "sparse", O_WRONLY);
  write_at(fd.get(), "end", kHole);
  const auto opened = fixture.open(fixture.node_of("sparse"));
  CHECK(fixture.read(opened.handle, 0, 4096) == std::string(4096, '\0'));
  CHECK(fixture.read(opened.handle, kHole - 1, 10) == std::string("\0end", 4));
}

TEST_CASE("An open that would change the file is refused as read-only", "[files]") {
  Fixture fixture;
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND, O_ACCMODE}) {
    CAPTURE(flags);
    CHECK(errno_of(fixture.fs().open(node, flags, self())) == EROFS);
  }
  CHECK(fixture.read_whole(node) == "bytes");
  CHECK(fixture.fs().counts().open_inodes == 0);
}

TEST_CASE("Flags that change nothing don't keep a file from being opened", "[files]") {
  Fixture fixture;
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  for (const int flags : {O_NONBLOCK, O_NOATIME, O_DIRECT, O_SYNC, O_APPEND, O_CLOEXEC}) {
    CAPTURE(flags);
    const auto opened = fixture.fs().open(node, O_RDONLY | flags, self());
    REQUIRE(errno_of(opened) == 0);
    fixture.fs().release(opened->handle);
  }
}

TEST_CASE("A file that the source denies can't be opened, and leaves nothing behind", "[files]") {
  mmapdir::test::require_root();  // to become somebody else
  Fixture fixture;
  write_file(fixture / "file", "", 0600);
  const NodeId node = fixture.node_of("file");
  int outcome = 0;
  as_ordinary_user([&] { outcome = errno_of(fixture.fs().open(node, O_RDONLY, self())); });
  CHECK(outcome == EACCES);
  CHECK(fixture.fs().counts() ==
        FileSystemCounts{.inodes = 2, .open_inodes = 0, .open_files = 0, .open_directories = 0});
}

TEST_CASE("A fifo without a writer doesn't stop the thread that opens it", "[files]") {
  Fixture fixture;
  must(::mkfifo((fixture / "fifo").c_str(), 0600), "mkfifo");
  const auto opened = fixture.fs().open(fixture.node_of("fifo"), O_RDONLY, self());
  if (opened) {
    fixture.fs().release(opened->handle);
  }
  CHECK(fixture.fs().counts().open_files == 0);
}

TEST_CASE("A handle that isn't open is EBADF to every operation", "[files]") {
  Fixture fixture;
  FileSystem& fs = fixture.fs();
  std::vector<std::byte> scratch;
  RecordingSink sink;
  CHECK(errno_of(fs.read(kUnknownHandle, 0, 1, scratch)) == EBADF);
  CHECK(errno_of(fs.lseek(kUnknownHandle, 0, SEEK_SET)) == EBADF);
  CHECK(errno_of(fs.fsync(kUnknownHandle, false)) == EBADF);
  CHECK(errno_of(fs.readdir(kUnknownHandle, 0, sink)) == EBADF);
  CHECK(errno_of(fs.readdirplus(kRootNode, kUnknownHandle, 0, sink)) == EBADF);
  CHECK(errno_of(fs.fsyncdir(kUnknownHandle, false)) == EBADF);
  fs.release(kUnknownHandle);
  fs.releasedir(kUnknownHandle);
}

TEST_CASE("A released handle is closed for good", "[files]") {
  Fixture fixture;
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  const auto first = fixture.open(node);
  fixture.fs().release(first.handle);
  const auto second = fixture.open(node);
  CHECK(second.handle > first.handle);
  std::vector<std::byte> scratch;
  CHECK(errno_of(fixture.fs().read(first.handle, 0, 1, scratch)) == EBADF);
  fixture.fs().release(first.handle);
  CHECK(fixture.read(second.handle, 0, 5) == "bytes");
}

TEST_CASE("Data and holes are found where the source has them", "[files]") {
  Fixture fixture({.read_path = each_read_path()});
  constexpr off_t kHole = off_t{1} << 20;
  write_file(fixture / "sparse", "");
  const UniqueFd fd = open_fd(fixture / "sparse", O_RDWR);
  write_at(fd.get(), "data", kHole);
  const auto opened = fixture.open(fixture.node_of("sparse"));
  const std::array<std::pair<off_t, int>, 7> questions{{{0, SEEK_DATA},
                                                        {0, SEEK_HOLE},
                                                        {kHole, SEEK_DATA},
                                                        {kHole, SEEK_HOLE},
                                                        {kHole + 4, SEEK_DATA},
                                                        {kHole + 5, SEEK_HOLE},
                                                        {-1, SEEK_DATA}}};
  for (const auto& [offset, whence] : questions) {
    CAPTURE(offset, whence);
    const off_t wanted = ::lseek(fd.get(), offset, whence);
    const int wanted_errno = wanted < 0 ? errno : 0;
    const auto found = fixture.fs().lseek(opened.handle, offset, whence);
    CHECK(errno_of(found) == wanted_errno);
    CHECK(found.value_or(-1) == wanted);
  }
}

TEST_CASE("A seek moves no reader", "[files]") {
  Fixture fixture({.read_path = each_read_path()});
  write_file(fixture / "file", "0123456789");
  const auto opened = fixture.open(fixture.node_of("file"));
  REQUIRE(fixture.fs().lseek(opened.handle, 0, SEEK_HOLE));
  CHECK(fixture.read(opened.handle, 2, 3) == "234");
}

TEST_CASE("A read-only handle can be synced", "[files]") {
  Fixture fixture;
  write_file(fixture / "file", "bytes");
  const auto opened = fixture.open(fixture.node_of("file"));
  CHECK(errno_of(fixture.fs().fsync(opened.handle, false)) == 0);
  CHECK(errno_of(fixture.fs().fsync(opened.handle, true)) == 0);
}

TEST_CASE("An open file goes on when its name and its lookups are gone", "[files]") {
  Fixture fixture({.read_path = each_read_path(), .cached_descriptors = 1});
  write_file(fixture / "file", "bytes");
  const NodeId node = fixture.node_of("file");
  const auto opened = fixture.open(node);
  std::filesystem::remove(fixture / "file");
  CHECK(fixture.read(opened.handle, 0, 5) == "bytes");
  const auto attributes = fixture.fs().getattr(node);
  REQUIRE(attributes);
  CHECK(attributes->stx_nlink == 0);

  fixture.fs().forget(node, 1);
  CHECK(fixture.read(opened.handle, 0, 5) == "bytes");
  fixture.fs().release(opened.handle);
  CHECK(fixture.fs().counts() ==
        FileSystemCounts{.inodes = 1, .open_inodes = 0, .open_files = 0, .open_directories = 0});
}

}  // namespace
}  // namespace mmapdirfs::test
