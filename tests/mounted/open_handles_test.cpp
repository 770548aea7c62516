// SPDX-License-Identifier: MIT
// What a program has open outlives what happens to its names and rights on the source, as it would
// there; what is gone for good is ESTALE, and never another file.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>

#include "parity_answer.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

TEST_CASE("Who writes a file that the source replaces goes on writing the old one",
          "[open_handles]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "old content");
  std::filesystem::create_hard_link(source / "file", source / "kept");
  const Mount mount(source.path(), {.options = path});
  const UniqueFd fd = open_fd(mount / "file", O_RDWR);
  std::filesystem::remove(source / "file");
  write_file(source / "file", "new");
  write_at(fd.get(), "OLD", 0);
  CHECK(::fsync(fd.get()) == 0);
  CHECK(read_at(fd.get(), 100, 0) == "OLD content");
  CHECK(read_file(source / "kept") == "OLD content");
  CHECK(read_file(source / "file") == "new");
  CHECK(eventually([&] { return read_file(mount / "file") == "new"; }));
  write_file(mount / "file", "newer");
  CHECK(read_file(source / "file") == "newer");
  CHECK(read_file(source / "kept") == "OLD content");
}

TEST_CASE("What is open in a directory that leaves the source stays open", "[open_handles]") {
  const ReadPath path = each_read_path();
  const bool is_deleted = GENERATE(false, true);
  const TemporaryDirectory all;
  std::filesystem::create_directories(all / "source/directory");
  write_file(all / "source/directory/file", "content");
  Mount mount(all / "source", {.options = path});
  const UniqueFd file = open_fd(mount / "directory/file", O_RDWR);
  const UniqueFd directory = open_fd(mount / "directory", O_RDONLY | O_DIRECTORY);
  if (is_deleted) {
    std::filesystem::remove_all(all / "source/directory");
  } else {
    std::filesystem::rename(all / "source/directory", all / "elsewhere");
  }
  write_at(file.get(), "C", 0);
  CHECK(::ftruncate(file.get(), 4) == 0);
  CHECK(::fsync(file.get()) == 0);
  CHECK(read_at(file.get(), 100, 0) == "Cont");
  CHECK(::fsync(directory.get()) == 0);
  CHECK(eventually([&] { return !std::filesystem::exists(mount / "directory"); }));
  if (is_deleted) {
    CHECK(answer([&] { return ::openat(directory.get(), "new", O_WRONLY | O_CREAT, 0644); }) ==
          "ENOENT");
  } else {
    CHECK(read_file(all / "elsewhere/file") == "Cont");
  }
  must(::mkdir((mount / "directory").c_str(), 0755), "mkdir");
  write_file(mount / "directory/file", "another");
  CHECK(read_at(file.get(), 100, 0) == "Cont");
  CHECK(read_file(all / "source/directory/file") == "another");
  CHECK(mount.daemon().running());
}

TEST_CASE("A file that is gone for good is ESTALE, and never the one that took its place",
          "[open_handles]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  constexpr int kFiles = 100;  // more than the daemon keeps descriptors of
  for (int i = 0; i < kFiles; ++i) {
    write_file(source / fmt::format("old-{}", i), "old");
  }
  const Mount mount(source.path(), {.options = path, .before = [] { limit_descriptors(80); }});
  std::vector<UniqueFd> known;
  known.reserve(kFiles);
  for (int i = 0; i < kFiles; ++i) {
    known.push_back(open_fd(mount / fmt::format("old-{}", i), O_PATH));
  }
  for (int i = 0; i < kFiles; ++i) {
    std::filesystem::remove(source / fmt::format("old-{}", i));
    write_file(source / fmt::format("new-{}", i), "new one");  // in many cases on the same inode
  }
  int gone = 0;
  for (const UniqueFd& fd : known) {
    const std::string file = fmt::format("/proc/self/fd/{}", fd.get());
    REQUIRE(eventually([&] {
      struct stat found{};
      const bool failed = ::fstat(fd.get(), &found) != 0;
      return failed ? errno == ESTALE : found.st_nlink == 0 && found.st_size == 3;
    }));
    const std::string said = opened(file, O_WRONLY | O_TRUNC, [](int) { return "opened"; });
    REQUIRE((said == "opened" || said == "open: ESTALE"));
    gone += said == "opened" ? 0 : 1;
  }
  CHECK(gone > kFiles / 2);
  for (int i = 0; i < kFiles; ++i) {
    REQUIRE(read_file(source / fmt::format("new-{}", i)) == "new one");
    REQUIRE(read_file(mount / fmt::format("new-{}", i)) == "new one");
  }
}

TEST_CASE("Writers killed in the midst of writing leave whole pieces and a working mount",
          "[open_handles]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "");
  Mount mount(source.path(), {.options = path});
  constexpr std::size_t kPiece = 100'000;
  for (int round = 0; round < 10; ++round) {
    std::array<int, 2> ends{};
    must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    const UniqueFd written(ends[0]);
    const UniqueFd writing(ends[1]);
    const int flags = round % 2 == 0 ? O_WRONLY : O_WRONLY | O_SYNC;
    Process writer = Process::call([&]() -> int {
      const UniqueFd fd = open_fd(mount / "file", flags | O_TRUNC);
      for (int i = 0;; i = (i + 1) % 20) {
        write_at(fd.get(), std::string(kPiece, static_cast<char>('a' + i)), i * off_t{kPiece});
        must(::write(writing.get(), "w", 1), "write");
      }
    });
    std::array<char, 8> pieces{};
    REQUIRE(::read(written.get(), pieces.data(), pieces.size()) > 0);
    writer.signal(SIGKILL);
    CHECK(writer.wait() == 128 + SIGKILL);
    std::string left;  // the daemon may still be carrying out the last piece
    REQUIRE(eventually([&] {
      left = read_file(source / "file");
      return left.size() >= kPiece && read_file(mount / "file") == left;
    }));
    for (std::size_t at = 0; at < left.size(); ++at) {
      if (left[at] != static_cast<char>('a' + (at / kPiece))) {
        FAIL("a byte that nobody wrote at " << at);
      }
    }
  }
  CHECK(mount.daemon().running());
}

}  // namespace
}  // namespace mmapdir::test
