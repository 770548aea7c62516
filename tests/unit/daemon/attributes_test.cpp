// SPDX-License-Identifier: MIT
// getattr, readlink, access and statfs.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <climits>
#include <string>

#include "support/requirements.h"
#include "unit/daemon/credentials.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr NodeId kUnknownNode{123456};

void check_same_attributes(const Attributes& shown, const std::filesystem::path& source) {
  struct stat wanted{};
  must(::lstat(source.c_str(), &wanted), "lstat");
  CHECK(shown.stx_ino == wanted.st_ino);
  CHECK(shown.stx_mode == wanted.st_mode);
  CHECK(shown.stx_nlink == wanted.st_nlink);
  CHECK(shown.stx_uid == wanted.st_uid);
  CHECK(shown.stx_gid == wanted.st_gid);
  CHECK(shown.stx_size == static_cast<std::uint64_t>(wanted.st_size));
  CHECK(shown.stx_blocks == static_cast<std::uint64_t>(wanted.st_blocks));
  CHECK(::makedev(shown.stx_rdev_major, shown.stx_rdev_minor) == wanted.st_rdev);
  CHECK(shown.stx_mtime.tv_sec == wanted.st_mtim.tv_sec);
  CHECK(shown.stx_mtime.tv_nsec == wanted.st_mtim.tv_nsec);
  CHECK(shown.stx_ctime.tv_sec == wanted.st_ctim.tv_sec);
  CHECK(shown.stx_ctime.tv_nsec == wanted.st_ctim.tv_nsec);
}

TEST_CASE("Every kind of file has the source's attributes", "[attributes]") {
  Fixture fixture;
  write_file(fixture / "file", "bytes", 0604);
  write_file(fixture / "empty", "", 04755);
  std::filesystem::create_directory(fixture / "directory");
  std::filesystem::create_symlink("somewhere", fixture / "link");
  must(::mkfifo((fixture / "fifo").c_str(), 0622), "mkfifo");
  must(::mknod((fixture / "socket").c_str(), S_IFSOCK | 0600, 0), "mknod");
  for (const char* name : {"file", "empty", "directory", "link", "fifo", "socket"}) {
    CAPTURE(name);
    const auto attributes = fixture.fs().getattr(fixture.node_of(name));
    REQUIRE(attributes);
    check_same_attributes(*attributes, fixture / name);
  }
  const auto root = fixture.fs().getattr(kRootNode);
  REQUIRE(root);
  check_same_attributes(*root, fixture.path());
}

TEST_CASE("A device node has the source's device number", "[attributes]") {
  Fixture fixture;
  if (::mknod((fixture / "device").c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) {
    mmapdir::test::skip("device nodes can't be made here: CAP_MKNOD is missing");
  }
  const auto attributes = fixture.fs().getattr(fixture.node_of("device"));
  REQUIRE(attributes);
  check_same_attributes(*attributes, fixture / "device");
}

TEST_CASE("A sparse file has few blocks and its whole size", "[attributes]") {
  Fixture fixture;
  write_file(fixture / "sparse", "");
  constexpr off_t kSize = off_t{5} << 30;
  must(::truncate((fixture / "sparse").c_str(), kSize), "truncate");
  const auto attributes = fixture.fs().getattr(fixture.node_of("sparse"));
  REQUIRE(attributes);
  CHECK(attributes->stx_size == static_cast<std::uint64_t>(kSize));
  check_same_attributes(*attributes, fixture / "sparse");
}

TEST_CASE("Attributes are the present ones at each asking", "[attributes]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "short");
  const NodeId node = fixture.node_of("file");
  write_file(fixture / "file", "rather longer", 0600);
  const auto attributes = fixture.fs().getattr(node);
  REQUIRE(attributes);
  check_same_attributes(*attributes, fixture / "file");
}

TEST_CASE("An unknown node is stale to every operation", "[attributes]") {
  Fixture fixture;
  FileSystem& fs = fixture.fs();
  CHECK(errno_of(fs.getattr(kUnknownNode)) == ESTALE);
  CHECK(errno_of(fs.readlink(kUnknownNode)) == ESTALE);
  CHECK(errno_of(fs.access(kUnknownNode, R_OK)) == ESTALE);
  CHECK(errno_of(fs.statfs(kUnknownNode)) == ESTALE);
  CHECK(errno_of(fs.getxattr(kUnknownNode, "user.name", {})) == ESTALE);
  CHECK(errno_of(fs.listxattr(kUnknownNode, {})) == ESTALE);
  CHECK(errno_of(fs.open(kUnknownNode, O_RDONLY, self())) == ESTALE);
  CHECK(errno_of(fs.opendir(kUnknownNode)) == ESTALE);
  CHECK(errno_of(fs.getattr(kNoNode)) == ESTALE);
}

TEST_CASE("A link is read as it stands on the source", "[attributes]") {
  Fixture fixture;
  const std::string longest(PATH_MAX - 1, 'x');
  for (const std::string& target : {std::string("file"), std::string("../../etc/passwd"),
                                    std::string("/absolute"), std::string("a b\n"), longest}) {
    std::filesystem::create_symlink(target, fixture / "link");
    const auto read = fixture.fs().readlink(fixture.node_of("link"));
    REQUIRE(read);
    CHECK(*read == target);
    std::filesystem::remove(fixture / "link");
  }
}

TEST_CASE("What isn't a link can't be read as one", "[attributes]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  std::filesystem::create_directory(fixture / "directory");
  must(::mkfifo((fixture / "fifo").c_str(), 0600), "mkfifo");
  for (const char* name : {"file", "directory", "fifo"}) {
    CAPTURE(name);
    CHECK(errno_of(fixture.fs().readlink(fixture.node_of(name))) == EINVAL);
  }
  CHECK(errno_of(fixture.fs().readlink(kRootNode)) == EINVAL);
}

TEST_CASE("Access is what the source grants the daemon's effective user", "[attributes]") {
  Fixture fixture;
  write_file(fixture / "open", "", 0604);
  write_file(fixture / "closed", "", 0600);
  write_file(fixture / "program", "", 0755);
  const NodeId open = fixture.node_of("open");
  const NodeId closed = fixture.node_of("closed");
  const NodeId program = fixture.node_of("program");
  FileSystem& fs = fixture.fs();

  CHECK(errno_of(fs.access(open, F_OK)) == 0);
  CHECK(errno_of(fs.access(open, R_OK | W_OK)) == 0);
  CHECK(errno_of(fs.access(open, X_OK)) == EACCES);
  CHECK(errno_of(fs.access(program, X_OK)) == 0);

  mmapdir::test::require_root();  // to become somebody else
  int may_read_open = -1;
  int may_read_closed = -1;
  int may_write_open = -1;
  as_ordinary_user([&] {
    may_read_open = errno_of(fs.access(open, R_OK));
    may_read_closed = errno_of(fs.access(closed, R_OK));
    may_write_open = errno_of(fs.access(open, W_OK));
  });
  CHECK(may_read_open == 0);
  CHECK(may_read_closed == EACCES);
  CHECK(may_write_open == EACCES);
}

TEST_CASE("The file system's figures are the source's", "[attributes]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  struct statvfs wanted{};
  must(::statvfs(fixture.path().c_str(), &wanted), "statvfs");
  for (const NodeId node : {kRootNode, fixture.node_of("file")}) {
    const auto shown = fixture.fs().statfs(node);
    REQUIRE(shown);
    CHECK(shown->f_bsize == wanted.f_bsize);
    CHECK(shown->f_frsize == wanted.f_frsize);
    CHECK(shown->f_blocks == wanted.f_blocks);
    CHECK(shown->f_files == wanted.f_files);
    CHECK(shown->f_namemax == wanted.f_namemax);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
