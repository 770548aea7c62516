// SPDX-License-Identifier: MIT
// A store through a mapping takes no set-user-id or set-group-id bit away, whoever makes it: the
// kernel writes such pages back in nobody's name. A write(2) of the same program does.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kSize = 10'000;
constexpr std::array<mode_t, 4> kModes{04777, 06777, 02777, 02666};

struct Who {
  const char* text;
  User user;
};

std::array<Who, 3> everybody() {
  return {Who{.text = "root", .user = {}}, Who{.text = "the owner", .user = ordinary_user()},
          Who{.text = "somebody else", .user = {.uid = 1, .gid = 1}}};
}

std::string name_of(mode_t mode) { return fmt::format("{:o}", mode); }

void make_tree(const Path& root) {
  must(::chmod(root.c_str(), 0755), "chmod");
  const User owner = ordinary_user();
  for (const mode_t mode : kModes) {
    const Path path = root / name_of(mode);
    write_file(path, pattern(kSize, 1));
    must(::chown(path.c_str(), owner.uid, owner.gid), "chown");
    must(::chmod(path.c_str(), mode), "chmod");
  }
}

mode_t mode_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_mode;
}

void store(int fd) {
  void* const mapped = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(mapped == MAP_FAILED ? -1 : 0, "mmap");
  auto* const bytes = static_cast<char*>(mapped);
  bytes[0] = 's';
  must(::msync(mapped, kSize, MS_SYNC), "msync");
  bytes[kSize - 1] = 's';
  must(::munmap(mapped, kSize), "munmap");
  must(::fsync(fd), "fsync");
}

// The mode of each file after a store and, where that is asked for, after a write besides.
std::string report_of(const Who& who, const Path& root, bool writes) {
  const auto change_all = [&] {
    for (const mode_t mode : kModes) {
      const UniqueFd fd = open_fd(root / name_of(mode), O_RDWR);
      store(fd.get());
      (void)std::puts(fmt::format("{:o} stored: {:o}", mode, mode_of(fd.get())).c_str());
      if (writes) {
        must(::pwrite(fd.get(), "w", 1, 1), "write");
        (void)std::puts(fmt::format("{:o} written: {:o}", mode, mode_of(fd.get())).c_str());
      }
    }
    return 0;
  };
  const Outcome outcome = run_function(change_all, {.user = who.user});
  INFO(outcome.error);
  REQUIRE(outcome.status == 0);
  return outcome.output;
}

void check_stores(const ReadPath& path) {
  // Passed-through writes go in nobody's name; see exceptions_test.cpp.
  const bool writes = path.front() != "--read-path=passthrough";
  for (const Who& who : everybody()) {
    CAPTURE(who.text);
    const TemporaryDirectory plain;
    const TemporaryDirectory source;
    make_tree(plain.path());
    make_tree(source.path());
    const Mount mount(source.path(), {.options = with_option(path, "-oallow_other")});
    CHECK(difference(report_of(who, mount.root(), writes), report_of(who, plain.path(), writes))
              .empty());
    for (const mode_t mode : kModes) {
      CAPTURE(mode);
      CHECK(attributes(mount / name_of(mode)) == attributes(source / name_of(mode)));
      CHECK(
          difference(read_file(source / name_of(mode)), read_file(plain / name_of(mode))).empty());
    }
  }
}

TEST_CASE("A store through a mapping leaves set-id bits as the source does", "[mapped_stores]") {
  require_ordinary_user();
  check_stores(each_read_path());
}

TEST_CASE("A store through a mapping leaves set-id bits where only the mount is written",
          "[mapped_stores]") {
  require_ordinary_user();
  check_stores({"--read-path=mapped", "--cache=always"});
}

}  // namespace
}  // namespace mmapdir::test
