// SPDX-License-Identifier: MIT
// What the mount shows of changes that are made on the source meanwhile.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

off_t size_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_size;
}

void take_record_lock(int fd) {
  struct flock lock{};
  lock.l_type = F_RDLCK;
  must(::fcntl(fd, F_SETLK, &lock), "fcntl");
}

TEST_CASE("Whoever has taken a lock sees what was written on the source before", "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", pattern(5000, 1));
  const UniqueFd fd = open_fd(mount / "file", O_RDWR);
  // More than once: pages that were just dropped are kept anew.
  for (std::uint32_t turn = 2; turn < 12; ++turn) {
    const std::string content = pattern(std::size_t{turn} * 4000, turn);
    REQUIRE(size_of(fd.get()) > 0);  // so that the kernel knows it
    read_at(fd.get(), 100'000, 0);
    {
      const UniqueFd other = open_fd(source / "file", O_WRONLY);
      write_at(other.get(), content, 0);
    }
    if (turn % 2 == 0) {
      take_record_lock(fd.get());
    } else {
      must(::flock(fd.get(), LOCK_SH), "flock");
    }
    CHECK(size_of(fd.get()) == static_cast<off_t>(content.size()));
    CHECK(difference(read_at(fd.get(), content.size(), 0), content).empty());
  }
}

TEST_CASE("A file that was replaced or deleted on the source isn't opened by its old name",
          "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", "old");
  REQUIRE(read_file(mount / "file") == "old");  // so that the kernel knows the name
  write_file(source / "new", "new");
  std::filesystem::rename(source / "new", source / "file");
  CHECK(read_file(mount / "file") == "new");
  std::filesystem::remove(source / "file");
  // The close before may not have reached the daemon yet, and what is open can be opened again.
  CHECK(eventually(
      [&] { return !UniqueFd(::open((mount / "file").c_str(), O_RDONLY | O_CLOEXEC)); }));
}

TEST_CASE("A file without a name can be opened anew by way of its descriptor", "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", "content");
  const UniqueFd fd = open_fd(mount / "file", O_RDONLY);
  std::filesystem::remove(mount / "file");
  CHECK(read_file(fmt::format("/proc/self/fd/{}", fd.get())) == "content");
}

}  // namespace
}  // namespace mmapdir::test
