// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "detached_mount.h"
#include "mmapdir/mmap_directory.h"
#include "scratch.h"
#include "system_call_spy.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::names_in;
using test::put_file;
using test::relative;
using test::text_of;
using Names = std::vector<std::string>;

class WritingTest {
 protected:
  WritingTest() { put_file(root() / "file", "old"); }

  fs::path root() const { return scratch_.path(); }
  MmapDirectory& directory() { return directory_; }
  std::string whole(std::string_view path) const {
    return text_of(directory_.open_read(relative(path)).value().read_all().value());
  }

 private:
  test::ScratchDirectory scratch_;
  MmapDirectory directory_ = MmapDirectory::open(scratch_.path()).value();
};

TEST_CASE_METHOD(WritingTest, "writing, removing and renaming act on a link, not on its target") {
  put_file(root() / "target", "target");
  for (const auto* const name : {"a", "b", "c", "d"}) {
    fs::create_symlink("target", root() / name);
  }
  REQUIRE(directory().write(relative("a"), bytes_of("new")));
  CHECK_FALSE(fs::is_symlink(root() / "a"));
  REQUIRE(directory().remove(relative("b")));
  REQUIRE(directory().rename(relative("c"), relative("moved")));
  CHECK(fs::is_symlink(root() / "moved"));
  REQUIRE(directory().rename(relative("file"), relative("d")));
  CHECK_FALSE(fs::is_symlink(root() / "d"));
  CHECK(whole("target") == "target");
}

TEST_CASE_METHOD(WritingTest, "linking a link gives the link a further name, not its target") {
  fs::create_symlink("file", root() / "a");
  fs::create_symlink("nowhere", root() / "broken");
  REQUIRE(directory().link(relative("a"), relative("b")));
  CHECK(fs::is_symlink(root() / "b"));
  CHECK(fs::hard_link_count(root() / "file") == 1);
  CHECK(directory().link(relative("file"), relative("broken")).error().code() ==
        std::errc::file_exists);
  CHECK_FALSE(fs::exists(root() / "nowhere"));
}

TEST_CASE_METHOD(WritingTest, "nothing is changed outside through a linked directory") {
  const test::ScratchDirectory outside;
  put_file(outside / "file", "outside");
  fs::create_directory_symlink(outside.path(), root() / "link");
  const auto path = relative("link/file");
  CHECK(directory().write(path, {}).error().code() == std::errc::cross_device_link);
  CHECK(directory().write(relative("link/a/b"), {}).error().code() == std::errc::cross_device_link);
  CHECK(directory().remove(path).error().code() == std::errc::cross_device_link);
  CHECK(directory().rename(path, relative("x")).error().code() == std::errc::cross_device_link);
  CHECK(directory().rename(relative("file"), path).error().code() == std::errc::cross_device_link);
  CHECK(directory().link(path, relative("x")).error().code() == std::errc::cross_device_link);
  CHECK(directory().link(relative("file"), path).error().code() == std::errc::cross_device_link);
  CHECK(directory().create(path).error().code() == std::errc::cross_device_link);
  CHECK(directory().create(relative("link/a/b")).error().code() == std::errc::cross_device_link);
  CHECK(directory().lock(path, LockMode::kExclusive).error().code() ==
        std::errc::cross_device_link);
  CHECK(directory().lock(relative("link/a/b"), LockMode::kExclusive).error().code() ==
        std::errc::cross_device_link);
  CHECK(names_in(outside.path()) == Names{"file"});
}

TEST_CASE_METHOD(WritingTest, "missing directories are made through a link that stays beneath") {
  fs::create_directory(root() / "dir");
  fs::create_directory_symlink("dir", root() / "link");
  REQUIRE(directory().write(relative("link/a/b"), bytes_of("text")));
  CHECK(whole("dir/a/b") == "text");
}

TEST_CASE_METHOD(WritingTest, "a broken link can't stand for a missing directory") {
  fs::create_symlink("nowhere", root() / "link");
  CHECK(directory().write(relative("link/a"), {}).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(names_in(root()) == Names{"file", "link"});
}

TEST_CASE_METHOD(WritingTest,
                 "a replaced file keeps its permission bits, a new one has the usual") {
  fs::permissions(root() / "file", fs::perms{0602});
  REQUIRE(directory().write(relative("file"), bytes_of("new")));
  CHECK(fs::status(root() / "file").permissions() == fs::perms{0602});
  const auto mask = ::umask(027);
  REQUIRE(directory().write(relative("fresh"), bytes_of("new")));
  ::umask(mask);
  CHECK(fs::status(root() / "fresh").permissions() == fs::perms{0640});
}

TEST_CASE_METHOD(WritingTest, "short and interrupted writes are completed") {
  const std::string text(1000, 'x');
  const test::SystemCallSpy spy;
  test::SystemCallSpy::dribble(7);
  REQUIRE(directory().write(relative("file"), bytes_of(text)));
  CHECK(whole("file") == text);
}

// The file's bytes are as they were and nothing is left in the directory.
void check_untouched(const fs::path& root, const MmapDirectory& directory) {
  CHECK(text_of(directory.open_read(relative("file")).value().read_all().value()) == "old");
  CHECK(names_in(root) == Names{"file"});
}

TEST_CASE_METHOD(WritingTest, "a write that meets a size limit leaves nothing behind") {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 10000, .rlim_max = limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto written = directory().write(relative("file"), bytes_of(std::string(20000, 'x')));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::signal(SIGXFSZ, handler);
  CHECK(written.error().code() == std::errc::file_too_large);
  check_untouched(root(), directory());
}

TEST_CASE_METHOD(WritingTest, "a write that can't be synced leaves nothing behind") {
  // The new file's inode isn't known beforehand, so every inode but the directory's has to fail.
  const test::SystemCallSpy spy;
  test::SystemCallSpy::fail_all_syncs_but_of(root(), EIO);
  const auto written = directory().write(relative("file"), bytes_of("new"));
  CHECK(written.error().code() == std::errc::io_error);
  check_untouched(root(), directory());
}

TEST_CASE_METHOD(WritingTest, "writing what was truncated underneath is an error, not a crash") {
  const test::ScratchDirectory elsewhere;
  put_file(elsewhere / "source", "text");
  const auto source = MmapDirectory::open(elsewhere.path())
                          .value()
                          .read_range(relative("source"), {.offset = 0, .length = 4})
                          .value();
  test::resize(elsewhere / "source", 0);
  CHECK(directory().write(relative("file"), source.bytes()).error().code() ==
        std::errc::bad_address);
  check_untouched(root(), directory());
}

TEST_CASE("a write that meets a full disk leaves nothing behind") {
  const test::DetachedMount disk("tmpfs", {{"size", "64k"}});
  auto directory = MmapDirectory::open(disk.path()).value();
  REQUIRE(directory.write(relative("file"), bytes_of("old")));
  const auto written = directory.write(relative("file"), bytes_of(std::string(100'000, 'x')));
  CHECK(written.error().code() == std::errc::no_space_on_device);
  check_untouched(disk.path(), directory);
  CHECK(directory.sync());
}

TEST_CASE_METHOD(WritingTest, "files in the making are not listed, whoever left them") {
  put_file(root() / ".mmapdir-tmp-0123456789abcdef", "half");
  put_file(root() / ".hidden", "seen");
  CHECK(directory().list_files({}).value() == relative({".hidden", "file"}));
}

}  // namespace
}  // namespace mmapdir
