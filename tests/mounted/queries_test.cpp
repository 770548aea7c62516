// SPDX-License-Identifier: MIT
// lseek for data and holes, statfs, access and fsync answer as on the source.

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

TEST_CASE("SEEK_DATA and SEEK_HOLE find what they find in the source", "[queries]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  {
    const UniqueFd file = open_fd(source / "sparse", O_WRONLY | O_CREAT);
    write_at(file.get(), pattern(70'000, 1), 200'000);
    write_at(file.get(), "tail", 5'000'000);
    must(::ftruncate(file.get(), 6'000'000), "ftruncate");
    must(::fsync(file.get()), "fsync");
  }
  const Mount mount(source.path(), {.options = path});
  const UniqueFd there = open_fd(source / "sparse", O_RDONLY);
  const UniqueFd here = open_fd(mount / "sparse", O_RDONLY);

  for (const int whence : {SEEK_DATA, SEEK_HOLE}) {
    for (off_t offset = 0; offset <= 6'100'000; offset += 50'000) {
      CAPTURE(whence, offset);
      errno = 0;
      const off_t expected = ::lseek(there.get(), offset, whence);
      const int expected_error = errno;
      errno = 0;
      REQUIRE(::lseek(here.get(), offset, whence) == expected);
      REQUIRE(errno == expected_error);
    }
  }
  CHECK(::lseek(here.get(), 0, SEEK_END) == 6'000'000);
  CHECK(::lseek(here.get(), -1'000, SEEK_CUR) == 5'999'000);
}

TEST_CASE("statfs tells of the file system that the source lies on", "[queries]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path());
  for (const char* name : {".", "file"}) {
    CAPTURE(name);
    struct statvfs here{};
    struct statvfs there{};
    must(::statvfs((source / name).c_str(), &there), "statvfs");
    must(::statvfs((mount / name).c_str(), &here), "statvfs");
    CHECK(here.f_bsize == there.f_bsize);
    CHECK(here.f_frsize == there.f_frsize);
    CHECK(here.f_blocks == there.f_blocks);
    CHECK(here.f_files == there.f_files);
    CHECK(here.f_namemax == there.f_namemax);
    CHECK((here.f_flag & ST_RDONLY) == 0);
  }
  struct statfs kind{};
  must(::statfs(mount.root().c_str(), &kind), "statfs");
  CHECK(kind.f_type == FUSE_SUPER_MAGIC);
}

TEST_CASE("access answers for reading and executing, and says EROFS for writing", "[queries]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x", 0644);
  write_file(source / "program", "x", 0755);
  const Mount mount(source.path(), {.options = {"-oro"}});
  CHECK(::access((mount / "file").c_str(), F_OK | R_OK) == 0);
  CHECK(::access((mount / "program").c_str(), X_OK) == 0);
  CHECK(::access((mount / "file").c_str(), X_OK) == -1);
  CHECK(errno == EACCES);
  CHECK(::access((mount / "file").c_str(), W_OK) == -1);
  CHECK(errno == EROFS);
  CHECK(::access((mount / "none").c_str(), F_OK) == -1);
  CHECK(errno == ENOENT);
}

TEST_CASE("Engines may fsync the files and directories that they only read", "[queries]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path(), {.options = path});
  for (const char* name : {".", "file"}) {
    CAPTURE(name);
    const UniqueFd fd = open_fd(mount / name, O_RDONLY);
    CHECK(::fsync(fd.get()) == 0);
    CHECK(::fdatasync(fd.get()) == 0);
  }
}

}  // namespace
}  // namespace mmapdir::test
