// SPDX-License-Identifier: MIT
// Opens that cost little: without a message where nobody else writes the source, and of files that
// the daemon has kept.

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <ctime>
#include <functional>
#include <stdexcept>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/requirements.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

std::size_t descriptors_of(const Process& process) {
  return names_in(fmt::format("/proc/{}/fd", process.pid())).size();
}

std::vector<std::string> read_only() {
  return {"-o", "ro", "--cache=always", "--read-path=mapped"};
}

void make_files(const Path& directory, int count) {
  for (int i = 0; i < count; ++i) {
    write_file(directory / std::to_string(i), fmt::format("content of {}", i));
  }
}

void check_files(const Path& directory, int count) {
  for (int i = 0; i < count; ++i) {
    REQUIRE(read_file(directory / std::to_string(i)) == fmt::format("content of {}", i));
  }
}

void drop_kernel_caches() {
  write_at(open_fd("/proc/sys/vm/drop_caches", O_WRONLY).get(), "2", 0);  // names and inodes
}

std::ptrdiff_t count_of_writes_to_fuse(const std::vector<TracedCall>& calls) {
  return std::ranges::count_if(
      calls, [](const auto& call) { return call.arguments.contains("/dev/fuse"); });
}

TEST_CASE("What the kernel keeps is opened, read and listed without a message", "[messages]") {
  require_strace();
  const TemporaryDirectory source;
  make_files(source.path(), 20);
  Mount mount(source.path(), {.options = read_only()});
  const auto use = [&] {
    check_files(mount.root(), 20);
    CHECK(names_in(mount.root()).size() == 20);
  };
  use();
  use();
  Strace strace(mount.daemon(), {"-e", "trace=writev,splice"});
  use();
  CHECK(count_of_writes_to_fuse(strace.stop()) == 0);
}

std::string listing(const Path& directory) { return fmt::format("{}", names_in(directory)); }

TEST_CASE("A tree that was listed is listed again without a message, and shows what has changed",
          "[messages]") {
  require_strace();
  const TemporaryDirectory source;
  for (const char* name : {"one", "two", "three"}) {
    std::filesystem::create_directory(source / name);
    make_files(source / name, 5);
  }
  Mount mount(source.path());
  const auto list = [&] {
    for (const char* name : {"", "one", "two", "three"}) {
      REQUIRE(listing(mount / name) == listing(source / name));
    }
  };
  list();
  list();
  Strace strace(mount.daemon(), {"-e", "trace=writev,splice"});
  list();
  CHECK(count_of_writes_to_fuse(strace.stop()) == 0);
  write_file(source / "two/new", "");
  std::filesystem::remove(source / "three/0");
  write_file(mount / "one/new", "");
  CHECK(listing(mount / "one") == listing(source / "one"));
  CHECK(eventually([&] {
    return listing(mount / "two") == listing(source / "two") &&
           listing(mount / "three") == listing(source / "three");
  }));
}

constexpr int kDirectories = 12;
constexpr int kFilesEach = 20;
constexpr std::ptrdiff_t kAllFiles = std::ptrdiff_t{kDirectories} * kFilesEach;

void make_directories(const Path& root) {
  for (int i = 0; i < kDirectories; ++i) {
    std::filesystem::create_directory(root / std::to_string(i));
    make_files(root / std::to_string(i), kFilesEach);
  }
}

// As a program of its own does it: `use` is called with each directory and its names.
using UseListing = std::function<void(const Path&, const std::vector<std::string>&)>;
void walk(const Path& root, const UseListing& use) {
  const Outcome walked = run_function([&] {
    for (int i = 0; i < kDirectories; ++i) {
      use(root / std::to_string(i), names_in(root / std::to_string(i)));
    }
    return 0;
  });
  INFO(walked.error);
  REQUIRE(walked.status == 0);
}

std::ptrdiff_t count_of(const std::vector<TracedCall>& calls, std::string_view name) {
  return std::ranges::count(calls, name, &TracedCall::name);
}

TEST_CASE("A program that lists names only soon costs no look at the files", "[messages]") {
  require_strace();
  const TemporaryDirectory source;
  make_directories(source.path());
  Mount mount(source.path());
  Strace strace(mount.daemon(), {"-e", "trace=name_to_handle_at"});
  walk(mount.root(), [](const Path&, const std::vector<std::string>& names) {
    if (names.size() != kFilesEach) {
      throw std::runtime_error("files are missing");
    }
  });
  // Those of the first directories, and the directories themselves.
  CHECK(count_of(strace.stop(), "name_to_handle_at") < kAllFiles / 2);
}

// Of a file that has changed within the last two seconds the kernel is to keep nothing.
void wait_until_at_rest(const Path& root) {
  write_file(root / "last", "");
  struct stat last{};
  must(::stat((root / "last").c_str(), &last), "stat");
  REQUIRE(eventually([&] { return std::time(nullptr) > last.st_ctim.tv_sec + 1; }));
}

TEST_CASE("A program that looks at the files it lists asks for one of them", "[messages]") {
  require_strace();
  const TemporaryDirectory source;
  make_directories(source.path());
  wait_until_at_rest(source.path());
  Mount mount(source.path());
  Strace strace(mount.daemon(), {"-e", "trace=writev,splice"});
  walk(mount.root(), [](const Path& directory, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (std::filesystem::file_size(directory / name) == 0) {
        throw std::runtime_error("the wrong size");
      }
    }
  });
  // For each directory itself, its listing and the listing's end, and a few besides.
  CHECK(count_of_writes_to_fuse(strace.stop()) < kAllFiles / 5);
}

// By its times the kernel would take it for unchanged.
TEST_CASE("A listing whose changes aren't reported isn't kept for long", "[messages]") {
  require_root();
  const TemporaryDirectory elsewhere;
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "below");
  make_files(elsewhere.path(), 3);
  // Another FUSE, in a directory that is watched itself.
  const Mount other(elsewhere.path(), {.options = {"--cache=never"}});
  const KernelMount bound = KernelMount::bind(other.root(), source / "below");
  const Mount mount(source.path());
  const auto time = std::filesystem::last_write_time(elsewhere.path());
  for (int i = 0; i < 2; ++i) {
    REQUIRE(listing(mount / "below") == listing(elsewhere.path()));
    write_file(elsewhere / fmt::format("new-{}", i), "");
    std::filesystem::last_write_time(elsewhere.path(), time);
    CHECK(eventually([&] { return listing(mount / "below") == listing(elsewhere.path()); }));
  }
}

TEST_CASE("Opened without a message, a file can do all that it can otherwise", "[messages]") {
  const TemporaryDirectory source;
  const std::string content = pattern(300'000, 5);
  write_file(source / "file", content);
  std::filesystem::create_directory(source / "directory");
  make_files(source / "directory", 3);
  const Mount mount(source.path(), {.options = read_only()});
  const UniqueFd fd = open_fd(mount / "file", O_RDONLY);
  const UniqueFd directory = open_fd(mount / "directory", O_RDONLY | O_DIRECTORY);
  CHECK(difference(read_at(fd.get(), 400'000, 0), content).empty());
  CHECK(::lseek(fd.get(), 0, SEEK_END) == 300'000);
  CHECK(::lseek(fd.get(), 0, SEEK_HOLE) == 300'000);
  CHECK(::lseek(fd.get(), 10, SEEK_DATA) == 10);
  CHECK(::fsync(fd.get()) == 0);
  CHECK(::fsync(directory.get()) == 0);
  int flags = 0;
  int expected = 0;
  CHECK(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0);
  must(::ioctl(open_fd(source / "file", O_RDONLY).get(), FS_IOC_GETFLAGS, &expected), "ioctl");
  CHECK(flags == expected);
  CHECK(::ioctl(directory.get(), FS_IOC_GETFLAGS, &flags) == 0);
  void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd.get(), 0);
  REQUIRE(mapped != MAP_FAILED);
  CHECK(difference({static_cast<const char*>(mapped), 4096}, content.substr(0, 4096)).empty());
  ::munmap(mapped, 4096);
  CHECK(::open((mount / "file").c_str(), O_RDWR | O_CLOEXEC) == -1);
  CHECK(errno == EROFS);
}

TEST_CASE("Opened without a message, files are locked among the mount's processes", "[messages]") {
  const TemporaryDirectory source;
  write_file(source / "file", "bytes");
  const Mount mount(source.path(), {.options = read_only()});
  const UniqueFd one = open_fd(mount / "file", O_RDONLY);
  const UniqueFd two = open_fd(mount / "file", O_RDONLY);
  REQUIRE(::flock(one.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK(::flock(two.get(), LOCK_SH | LOCK_NB) == -1);
  CHECK(errno == EWOULDBLOCK);
  CHECK(::flock(one.get(), LOCK_UN) == 0);
  CHECK(::flock(two.get(), LOCK_SH | LOCK_NB) == 0);
  struct flock lock{};
  lock.l_type = F_RDLCK;
  CHECK(::fcntl(one.get(), F_SETLK, &lock) == 0);
}

TEST_CASE("Opened without a message, any number of files takes few descriptors", "[messages]") {
  constexpr int kFiles = 1000;
  const TemporaryDirectory source;
  make_files(source.path(), kFiles);
  Mount mount(source.path(), {.options = read_only()});
  check_files(mount.root(), kFiles);
  // Handles for 256 files; the inodes that are kept beside and the ways to others are as many
  // again.
  CHECK(descriptors_of(mount.daemon()) < 1024);
  check_files(mount.root(), kFiles);
}

TEST_CASE("Opened without a message, a file that the kernel has forgotten is opened anew",
          "[messages]") {
  require_root();
  const TemporaryDirectory source;
  make_files(source.path(), 5);
  Mount mount(source.path(), {.options = read_only()});
  const auto before = descriptors_of(mount.daemon());
  check_files(mount.root(), 5);
  REQUIRE(descriptors_of(mount.daemon()) >= before + 5);
  drop_kernel_caches();
  CHECK(eventually([&] { return descriptors_of(mount.daemon()) < before + 5; }));
  check_files(mount.root(), 5);
}

std::ptrdiff_t registrations(const std::vector<TracedCall>& calls) {
  return std::ranges::count_if(calls, [](const TracedCall& call) {
    return call.name == "ioctl" && call.arguments.contains("/dev/fuse");
  });
}

TEST_CASE("A file that is opened again is registered for passthrough no more", "[messages]") {
  require_passthrough();
  require_strace();
  const TemporaryDirectory source;
  make_files(source.path(), 10);
  Mount mount(source.path(), {.options = {"--read-path=passthrough"}});
  const auto registered = [&] {
    Strace strace(mount.daemon(), {"-e", "trace=ioctl"});
    check_files(mount.root(), 10);
    return registrations(strace.stop());
  };
  CHECK(registered() >= 10);
  CHECK(registered() == 0);
}

constexpr std::size_t kBig = std::size_t{8} << 20U;

// On a file system of its own, whose free space is nobody else's affair.
struct BigFile {
  BigFile() {
    write_file(source.path() / "big", pattern(kBig, 1));
    REQUIRE(read_at(open_fd(mount / "big", O_RDONLY).get(), 10, 0).size() == 10);
    REQUIRE(free_bytes() < kSize - kBig + 1);
  }

  std::uintmax_t free_bytes() const { return std::filesystem::space(source.path()).free; }

  static constexpr std::uintmax_t kSize = std::uintmax_t{32} << 20U;
  TemporaryDirectory directory;
  KernelMount source = KernelMount::tmpfs(directory.path(), "size=32m");
  Mount mount{source.path(), {.options = {"--read-path=passthrough"}}};
};

TEST_CASE("A kept file whose name is gone gives its blocks back", "[messages]") {
  require_passthrough();
  BigFile big;
  const auto by_mount = GENERATE(false, true);
  CAPTURE(by_mount);
  const Path root = by_mount ? big.mount.root() : big.source.path();
  SECTION("deleted") { std::filesystem::remove(root / "big"); }
  SECTION("replaced") {
    write_file(root / "new", "small");
    std::filesystem::rename(root / "new", root / "big");
  }
  CHECK(eventually([&] { return big.free_bytes() > BigFile::kSize - kBig; }));
}

TEST_CASE("A kept file is opened by another user with rights of his own", "[messages]") {
  require_passthrough();
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "secret", "bytes", 0600);
  write_file(source / "public", "bytes", 0644);
  const Mount mount(source.path(), {.options = {"--read-path=passthrough", "-o", "allow_other"}});
  must(::chmod((mount / "..").c_str(), 0755), "chmod");
  const auto read_by_user = [&](const char* name) {
    return errno_as(ordinary_user(), [&] {
      const UniqueFd fd(::open((mount / name).c_str(), O_RDONLY | O_CLOEXEC));
      char byte = 0;
      return fd && ::read(fd.get(), &byte, 1) == 1 ? 0 : -1;
    });
  };
  for (int round = 0; round < 3; ++round) {
    REQUIRE(read_file(mount / "secret") == "bytes");
    REQUIRE(read_file(mount / "public") == "bytes");
    CHECK(read_by_user("secret") == EACCES);
    CHECK(read_by_user("public") == 0);
  }
}

TEST_CASE("However many files are opened in turn, few are kept", "[messages]") {
  require_passthrough();
  constexpr int kFiles = 1500;
  const TemporaryDirectory source;
  make_files(source.path(), kFiles);
  Mount mount(source.path(), {.options = {"--read-path=passthrough"}});
  check_files(mount.root(), kFiles);
  CHECK(descriptors_of(mount.daemon()) < 1024);
}

}  // namespace
}  // namespace mmapdir::test
