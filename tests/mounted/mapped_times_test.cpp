// SPDX-License-Identifier: MIT
// A store through a shared mapping moves a file's times on the source, and they are seen through
// the mount: in passthrough at once, else when the kernel has written the page back, which msync,
// fsync and fdatasync wait for.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kSize = 8192;

std::string times_of(const struct stat& file) {
  return fmt::format("modified {}.{:09} changed {}.{:09}", file.st_mtim.tv_sec,
                     file.st_mtim.tv_nsec, file.st_ctim.tv_sec, file.st_ctim.tv_nsec);
}

std::string times_of(const Path& path) {
  struct stat found{};
  must(::stat(path.c_str(), &found), "stat");
  return times_of(found);
}

std::string times_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return times_of(found);
}

// A shared mapping, the file's first descriptor beside it.
class Stored {
 public:
  explicit Stored(const Path& path) : fd_(open_fd(path, O_RDWR)) {
    address_ = static_cast<char*>(
        ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
    must(static_cast<void*>(address_) == MAP_FAILED ? -1 : 0, "mmap");
  }
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;
  ~Stored() { unmap(); }

  int fd() const { return fd_.get(); }
  void store() { ++address_[0]; }
  void msync() { must(::msync(address_, kSize, MS_SYNC), "msync"); }
  void close() { fd_.reset(); }
  void unmap() {
    if (address_ != nullptr) {
      ::munmap(address_, kSize);
      address_ = nullptr;
    }
  }

 private:
  UniqueFd fd_;
  char* address_ = nullptr;
};

struct Subject {
  explicit Subject(const ReadPath& options) : mount(source.path(), {.options = options}) {
    write_file(there, pattern(kSize, 1));
  }

  // Times that any store moves, known to the kernel for as long as it will.
  void make_old() const {
    constexpr timespec kOld{.tv_sec = 1'000'000'000, .tv_nsec = 0};
    const std::array times{kOld, kOld};
    must(::utimensat(AT_FDCWD, here.c_str(), times.data(), 0), "utimensat");
    (void)times_of(here);
    (void)times_of(here);
  }

  TemporaryDirectory source;
  Mount mount;
  Path there = source / "file";
  Path here = mount / "file";
};

ReadPath each_read_path_and_cache() {
  ReadPath path = each_read_path();
  if (path.size() == 1) {
    path.push_back(GENERATE("--cache=auto", "--cache=never", "--cache=always"));
  }
  return path;
}

std::string times_told_to_another_process(const Path& path) {
  return run({"stat", "--printf=%n %.9Y %.9Z", path.string()}).output.substr(path.string().size());
}

void check_times(const Subject& file, int fd) {
  const std::string expected = times_of(file.there);
  CHECK(!expected.starts_with("modified 1000000000."));
  CHECK(times_of(file.here) == expected);
  CHECK(times_of(fd) == expected);
  CHECK(times_told_to_another_process(file.here) == times_told_to_another_process(file.there));
}

TEST_CASE("What msync, fsync and fdatasync wait for is in the times", "[mapped_times]") {
  const ReadPath path = each_read_path_and_cache();
  const Subject file(path);
  const UniqueFd other = open_fd(file.here, O_RDONLY);
  Stored mapping(file.here);
  SECTION("msync") {
    for (int i = 0; i < 3; ++i) {
      file.make_old();
      mapping.store();
      mapping.msync();
      check_times(file, mapping.fd());
      check_times(file, other.get());
    }
  }
  SECTION("fsync") {
    file.make_old();
    mapping.store();
    CHECK(::fsync(mapping.fd()) == 0);
    check_times(file, mapping.fd());
  }
  SECTION("fdatasync") {
    file.make_old();
    mapping.store();
    CHECK(::fdatasync(mapping.fd()) == 0);
    check_times(file, mapping.fd());
  }
  SECTION("fsync of another descriptor") {
    file.make_old();
    mapping.store();
    CHECK(::fsync(other.get()) == 0);
    check_times(file, other.get());
  }
  SECTION("unmapped and closed") {
    file.make_old();
    mapping.store();
    mapping.msync();
    mapping.unmap();
    mapping.close();
    check_times(file, other.get());
  }
}

TEST_CASE("In passthrough a store is in the times at once", "[mapped_times]") {
  require_passthrough();
  const Subject file(
      {"--read-path=passthrough", GENERATE("--cache=auto", "--cache=never", "--cache=always")});
  const UniqueFd other = open_fd(file.here, O_RDONLY);
  const auto opened_before = GENERATE(false, true);
  CAPTURE(opened_before);
  if (!opened_before) {
    file.make_old();
  }
  Stored mapping(file.here);
  if (opened_before) {
    file.make_old();
  }
  mapping.store();
  check_times(file, mapping.fd());
  check_times(file, other.get());
  SECTION("by a mapping that is left when its descriptor is closed") {
    mapping.close();
    for (int i = 0; i < 3; ++i) {
      file.make_old();
      mapping.msync();  // else the page is written to already, and no store is noticed
      mapping.store();
      check_times(file, other.get());
    }
  }
  SECTION("before the mapping went") {
    file.make_old();
    mapping.msync();
    mapping.store();
    mapping.close();
    mapping.unmap();
    check_times(file, other.get());
  }
}

std::uint64_t count_getattrs(const Mount& mount) {
  const std::string text = read_file(mount / ".mmapdirfs/metrics");
  std::uint64_t count = 0;
  for (const std::string_view name : {"getattr", "statx"}) {
    const std::string key =
        fmt::format("mmapdirfs_operation_duration_seconds_count{{operation=\"{}\"}} ", name);
    const auto at = text.find(key);
    count += at == std::string::npos ? 0 : std::stoull(text.substr(at + key.size()));
  }
  return count;
}

TEST_CASE("Once nobody can have a file mapped its attributes are kept again", "[mapped_times]") {
  require_passthrough();
  const Subject file({"--read-path=passthrough"});
  {
    Stored mapping(file.here);
    mapping.store();
  }
  file.make_old();
  // The change of the times just made is distrusted for two seconds.
  CHECK(eventually([&] {
    (void)times_of(file.here);
    const std::uint64_t before = count_getattrs(file.mount);
    for (int i = 0; i < 100; ++i) {
      (void)times_of(file.here);
    }
    return count_getattrs(file.mount) - before < 50;
  }));
}

}  // namespace
}  // namespace mmapdir::test
