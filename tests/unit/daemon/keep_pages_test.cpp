// SPDX-License-Identifier: MIT
// Whether an open lets the kernel keep the pages that it has.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <ctime>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

// Time stamps tell two changes apart once they are older than a tick: nothing announces that.
void let_it_settle(const std::filesystem::path& path) {
  REQUIRE(mmapdir::test::eventually([&] {
    struct stat found{};
    must(::stat(path.c_str(), &found), "stat");
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    constexpr std::int64_t kSettled = 25'000'000;
    return ((now.tv_sec - found.st_ctim.tv_sec) * 1'000'000'000) + now.tv_nsec -
               found.st_ctim.tv_nsec >
           kSettled;
  }));
}

struct OneFile {
  explicit OneFile(const FixtureOptions& options = {}) : fixture(options) {
    write_file(fixture / "file", "bytes");
    let_it_settle(fixture / "file");
    node = fixture.node_of("file");
  }

  bool open_keeps_pages() {
    const auto opened = fixture.open(node);
    fixture.fs().release(opened.handle);
    return opened.keep_pages;
  }

  Fixture fixture;
  NodeId node = kNoNode;
};

TEST_CASE("The first open keeps no pages, the next do while the file is unchanged", "[pages]") {
  for (const ReadPath path : {ReadPath::kMapped, ReadPath::kPlain}) {
    OneFile file({.read_path = path});
    CHECK_FALSE(file.open_keeps_pages());
    CHECK(file.open_keeps_pages());
    CHECK(file.open_keeps_pages());
  }
}

TEST_CASE("The open after a change drops the pages", "[pages]") {
  OneFile file;
  file.open_keeps_pages();
  REQUIRE(file.open_keeps_pages());
  write_file(file.fixture / "file", "other");  // as long as before
  let_it_settle(file.fixture / "file");
  CHECK_FALSE(file.open_keeps_pages());
  CHECK(file.open_keeps_pages());
}

TEST_CASE("A change with the old modification time put back drops the pages", "[pages]") {
  OneFile file;
  file.open_keeps_pages();
  struct stat before{};
  must(::stat((file.fixture / "file").c_str(), &before), "stat");
  write_file(file.fixture / "file", "other");
  const timespec times[2] = {before.st_atim, before.st_mtim};  // NOLINT(*-c-arrays): the call's own
  must(::utimensat(AT_FDCWD, (file.fixture / "file").c_str(), times, 0), "utimensat");
  let_it_settle(file.fixture / "file");
  CHECK_FALSE(file.open_keeps_pages());
}

TEST_CASE("A file that has only just changed keeps no pages, nor does the open after", "[pages]") {
  OneFile file;
  file.open_keeps_pages();
  must(::chmod((file.fixture / "file").c_str(), 0600), "chmod");
  CHECK_FALSE(file.open_keeps_pages());
  let_it_settle(file.fixture / "file");
  CHECK_FALSE(file.open_keeps_pages());
  CHECK(file.open_keeps_pages());
}

TEST_CASE("A forgotten file keeps no pages", "[pages]") {
  OneFile file;
  file.open_keeps_pages();
  file.fixture.fs().forget(file.node, 1);
  file.node = file.fixture.node_of("file");
  CHECK_FALSE(file.open_keeps_pages());
}

}  // namespace
}  // namespace mmapdirfs::test
