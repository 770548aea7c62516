// SPDX-License-Identifier: MIT
// Bytes written through the mount are the source's at once, and the other way round, whoever has
// the file open and how.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <memory>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

struct Writable {
  explicit Writable(const ReadPath& path) : mount(source.path(), {.options = path}) {}

  TemporaryDirectory source;
  Mount mount;
};

void append(int fd, std::string_view bytes) {
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

off_t size_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_size;
}

TEST_CASE("Appends from the mount and from the source never overwrite each other", "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "log", "");
  const UniqueFd here = open_fd(files.mount / "log", O_WRONLY | O_APPEND);
  const UniqueFd also_here = open_fd(files.mount / "log", O_RDWR | O_APPEND);
  const UniqueFd there = open_fd(files.source / "log", O_WRONLY | O_APPEND);
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    for (const int fd : {here.get(), there.get(), also_here.get()}) {
      const std::string line = fmt::format("line {} by {}\n", i, fd);
      append(fd, line);
      expected += line;
    }
  }
  CHECK(difference(read_file(files.source / "log"), expected).empty());
  CHECK(eventually([&] { return read_file(files.mount / "log") == expected; }));
}

TEST_CASE("Processes that append at once lose no line", "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "log", "");
  std::vector<Process> writers;
  writers.reserve(6);
  for (int writer = 0; writer < 6; ++writer) {
    writers.push_back(Process::call([&, writer] {
      const Path log = writer % 2 == 0 ? files.mount / "log" : files.source / "log";
      const UniqueFd fd = open_fd(log, O_WRONLY | O_APPEND);
      for (int i = 0; i < 200; ++i) {
        const std::string line(100, static_cast<char>('a' + writer));
        must(::write(fd.get(), (line + "\n").data(), line.size() + 1), "write");
      }
      return 0;
    }));
  }
  for (Process& writer : writers) {
    CHECK(writer.wait(kPatience) == 0);
  }
  const std::string log = read_file(files.source / "log");
  CHECK(log.size() == std::size_t{6} * 200 * 101);
  for (std::size_t at = 0; at < log.size(); at += 101) {
    REQUIRE(log.substr(at, 101) == std::string(100, log[at]) + "\n");
  }
}

TEST_CASE("What is appended is in another handle's page and size at once", "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "log", "begin\n");
  const UniqueFd writer = open_fd(files.mount / "log", O_RDWR | O_APPEND);
  const UniqueFd reader = open_fd(files.mount / "log", O_RDONLY);
  std::string expected = "begin\n";
  for (int i = 0; i < 100; ++i) {
    REQUIRE(read_at(reader.get(), 20'000, 0) == expected);
    const std::string line = fmt::format("{} {}\n", i, std::string(90, 'l'));
    append(writer.get(), line);
    expected += line;
    REQUIRE(size_of(reader.get()) == static_cast<off_t>(expected.size()));
    REQUIRE(read_at(writer.get(), 20'000, 0) == expected);
  }
  CHECK(read_file(files.source / "log") == expected);
}

TEST_CASE("Sparse files beyond 4 GiB are written and read at any offset", "[writing]") {
  const Writable files(each_read_path());
  const UniqueFd fd = open_fd(files.mount / "big", O_RDWR | O_CREAT);
  const std::string piece = pattern(10'000, 1);
  constexpr std::array<off_t, 5> kOffsets{0, (off_t{1} << 31U) - 5'000, (off_t{1} << 32U) - 5'000,
                                          off_t{5} << 30U, off_t{1} << 40U};
  for (const off_t offset : kOffsets) {
    write_at(fd.get(), piece, offset);
  }
  for (const Path& file : {files.mount / "big", files.source / "big"}) {
    const UniqueFd reader = open_fd(file, O_RDONLY);
    CAPTURE(file);
    CHECK(size_of(reader.get()) == kOffsets.back() + 10'000);
    for (const off_t offset : kOffsets) {
      CHECK(difference(read_at(reader.get(), piece.size(), offset), piece).empty());
    }
    CHECK(::lseek(reader.get(), 20'000, SEEK_DATA) == ((off_t{1} << 31U) - 5'000) / 4096 * 4096);
    CHECK(read_at(reader.get(), 100, off_t{3} << 30U) == std::string(100, '\0'));
  }
  CHECK(std::filesystem::file_size(files.source / "big") > 1'000'000'000'000U);
  struct stat found{};
  must(::stat((files.source / "big").c_str(), &found), "stat");
  CHECK(found.st_blocks < 1'000);
}

TEST_CASE("A nameless file gets a name, unless it was to have none", "[writing]") {
  const Writable files(each_read_path());
  const auto name_it = [&](int fd, const Path& name) {
    const std::string link = fmt::format("/proc/self/fd/{}", fd);
    return ::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW);
  };
  const UniqueFd fd = open_fd(files.mount.root(), O_RDWR | O_TMPFILE);
  append(fd.get(), "content");
  CHECK(names_in(files.source.path()).empty());
  REQUIRE(name_it(fd.get(), files.mount / "named") == 0);
  append(fd.get(), " and more");
  CHECK(read_file(files.source / "named") == "content and more");
  CHECK(read_file(files.mount / "named") == "content and more");
  const UniqueFd for_ever = open_fd(files.mount.root(), O_RDWR | O_TMPFILE | O_EXCL);
  CHECK(name_it(for_ever.get(), files.mount / "never") == -1);
  CHECK(errno == ENOENT);
}

TEST_CASE("copy_file_range copies within the mount", "[writing]") {
  const Writable files(each_read_path());
  const std::string content = pattern(3'000'000, 1);
  write_file(files.source / "from", content);
  const UniqueFd from = open_fd(files.mount / "from", O_RDONLY);
  const UniqueFd to = open_fd(files.mount / "to", O_RDWR | O_CREAT);
  std::size_t left = content.size();
  while (left > 0) {
    const ssize_t copied = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, left, 0);
    REQUIRE(copied > 0);
    left -= static_cast<std::size_t>(copied);
  }
  CHECK(difference(read_at(to.get(), content.size() + 1, 0), content).empty());
  CHECK(difference(read_file(files.source / "to"), content).empty());
}

class SharedMap {
 public:
  SharedMap(int fd, std::size_t size)
      : bytes_(
            static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))),
        size_(size) {
    REQUIRE(static_cast<void*>(bytes_) != MAP_FAILED);
  }
  SharedMap(const SharedMap&) = delete;
  SharedMap& operator=(const SharedMap&) = delete;
  ~SharedMap() { ::munmap(bytes_, size_); }

  char* bytes() const { return bytes_; }
  void sync() const { REQUIRE(::msync(bytes_, size_, MS_SYNC) == 0); }

 private:
  char* bytes_;
  std::size_t size_;
};

TEST_CASE("What is written to a shared mapping is everybody's once it was synced", "[writing]") {
  const Writable files(each_read_path());
  const std::string content = pattern(50'000, 1);
  write_file(files.source / "file", content);
  const UniqueFd fd = open_fd(files.mount / "file", O_RDWR);
  const UniqueFd reader = open_fd(files.mount / "file", O_RDONLY);
  CHECK(difference(read_at(reader.get(), 60'000, 0), content).empty());
  const SharedMap map(fd.get(), content.size());
  std::string expected = content;
  for (const std::size_t at : {0UL, 4'095UL, 20'000UL, 49'000UL}) {
    expected.replace(at, 1'000, std::string(1'000, 'M'));
    std::fill_n(map.bytes() + at, 1'000, 'M');
  }
  map.sync();
  CHECK(difference(read_file(files.source / "file"), expected).empty());
  CHECK(difference(read_at(reader.get(), 60'000, 0), expected).empty());
  CHECK(difference(read_at(open_fd(files.mount / "file", O_RDONLY).get(), 60'000, 0), expected)
            .empty());
}

TEST_CASE("What is written is in a mapping at once, and in another handle's page and size",
          "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "file", std::string(10'000, 'A'));
  const UniqueFd writer = open_fd(files.mount / "file", O_WRONLY);
  const UniqueFd reader = open_fd(files.mount / "file", O_RDONLY);
  const UniqueFd mapped = open_fd(files.mount / "file", O_RDWR);
  const SharedMap map(mapped.get(), 10'000);
  CHECK(read_at(reader.get(), 10'000, 0) == std::string(10'000, 'A'));
  for (int round = 0; round < 50; ++round) {
    const std::string bytes(500, static_cast<char>('a' + (round % 26)));
    const off_t at = off_t{round} * 190;
    write_at(writer.get(), bytes, at);
    REQUIRE(read_at(reader.get(), 500, at) == bytes);
    REQUIRE(std::string(map.bytes() + at, 500) == bytes);
  }
  for (const off_t size : {off_t{15'000}, off_t{3'000}, off_t{7'000}}) {
    must(::ftruncate(writer.get(), size), "ftruncate");
    CHECK(size_of(reader.get()) == size);
    CHECK(static_cast<off_t>(read_at(reader.get(), 20'000, 0).size()) == size);
    CHECK(static_cast<off_t>(std::filesystem::file_size(files.mount / "file")) == size);
  }
  CHECK(read_at(reader.get(), 4'000, 3'000) == std::string(4'000, '\0'));
  write_at(writer.get(), "end", 20'000);
  CHECK(size_of(reader.get()) == 20'003);
  CHECK(read_at(reader.get(), 100, 19'999) == std::string("\0end", 4));
}

TEST_CASE("A file that was removed or replaced lives on for who has it open", "[writing]") {
  const Writable files(each_read_path());
  for (const bool replaced : {false, true}) {
    write_file(files.mount / "file", "first");
    const UniqueFd fd = open_fd(files.mount / "file", O_RDWR);
    if (replaced) {
      write_file(files.mount / "new", "other");
      must(::rename((files.mount / "new").c_str(), (files.mount / "file").c_str()), "rename");
    } else {
      must(::unlink((files.mount / "file").c_str()), "unlink");
    }
    CAPTURE(replaced);
    write_at(fd.get(), " second", 5);
    CHECK(read_at(fd.get(), 100, 0) == "first second");
    struct stat found{};
    CHECK(::fstat(fd.get(), &found) == 0);
    CHECK(found.st_nlink == 0);
    CHECK(found.st_size == 12);
    CHECK(::ftruncate(fd.get(), 3) == 0);
    CHECK(::fchmod(fd.get(), 0600) == 0);
    CHECK(::fsync(fd.get()) == 0);
    CHECK(read_at(fd.get(), 100, 0) == "fir");
    const UniqueFd again = open_fd(fmt::format("/proc/self/fd/{}", fd.get()), O_RDWR);
    write_at(again.get(), "F", 0);
    CHECK(read_at(fd.get(), 100, 0) == "Fir");
    CHECK(std::filesystem::exists(files.source / "file") == replaced);
    CHECK((!replaced || read_file(files.mount / "file") == "other"));
  }
}

TEST_CASE("O_DIRECT and O_SYNC write what they are given", "[writing]") {
  const Writable files(each_read_path());
  constexpr std::size_t kSize = 1U << 20U;
  const std::string content = pattern(kSize, 1);
  const std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(4096, kSize),
                                                           std::free);
  std::ranges::copy(content, static_cast<char*>(buffer.get()));
  for (const int flag : {O_DIRECT, O_SYNC, O_DSYNC, O_DIRECT | O_SYNC}) {
    CAPTURE(flag);
    const std::string name = fmt::format("file-{}", flag);
    const UniqueFd fd = open_fd(files.mount / name, O_RDWR | O_CREAT | flag);
    REQUIRE(::pwrite(fd.get(), buffer.get(), kSize, 0) == static_cast<ssize_t>(kSize));
    CHECK(difference(read_file(files.source / name), content).empty());
    CHECK(difference(read_file(files.mount / name), content).empty());
    REQUIRE(::pread(fd.get(), buffer.get(), kSize, 0) == static_cast<ssize_t>(kSize));
    CHECK(difference({static_cast<const char*>(buffer.get()), kSize}, content).empty());
  }
}

TEST_CASE("An inode opens in every order of ways and names", "[writing]") {
  const Writable files(each_read_path());
  constexpr std::array kWays{O_RDONLY,          O_WRONLY,           O_RDWR, O_WRONLY | O_APPEND,
                             O_RDWR | O_DIRECT, O_RDONLY | O_DIRECT};
  write_file(files.source / "a", pattern(10'000, 1));
  must(::link((files.source / "a").c_str(), (files.source / "b").c_str()), "link");
  for (const int first : kWays) {
    for (const int second : kWays) {
      for (const int third : kWays) {
        CAPTURE(first, second, third);
        UniqueFd one = open_fd(files.mount / "a", first);
        const UniqueFd two = open_fd(files.mount / "b", second);
        one.reset();
        const UniqueFd three = open_fd(files.mount / "a", third);
        for (const auto& [fd, way] : {std::pair{two.get(), second}, {three.get(), third}}) {
          if ((way & O_ACCMODE) != O_WRONLY && (way & O_DIRECT) == 0) {
            REQUIRE(read_at(fd, 100, 500) == pattern(10'000, 1).substr(500, 100));
          }
          if ((way & O_ACCMODE) != O_RDONLY && (way & (O_DIRECT | O_APPEND)) == 0) {
            write_at(fd, pattern(10'000, 1).substr(0, 100), 0);
          }
        }
      }
    }
  }
  CHECK(difference(read_file(files.source / "b"), pattern(10'000, 1)).empty());
}

TEST_CASE("What the source writes shows through the mount soon, also to who writes there",
          "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "file", std::string(5'000, 'A'));
  const UniqueFd here = open_fd(files.mount / "file", O_RDWR);
  CHECK(read_at(here.get(), 10'000, 0) == std::string(5'000, 'A'));
  write_at(open_fd(files.source / "file", O_WRONLY).get(), std::string(8'000, 'B'), 0);
  write_at(here.get(), "C", 0);
  const std::string expected = fmt::format("C{:B>7999}", "");
  CHECK(eventually([&] { return read_at(here.get(), 10'000, 0) == expected; }));
  CHECK(read_file(files.source / "file") == expected);
}

TEST_CASE("A rename between the mount and elsewhere is told to be one", "[writing]") {
  const Writable files(each_read_path());
  write_file(files.mount / "file", "x");
  const TemporaryDirectory elsewhere;
  CHECK(::rename((files.mount / "file").c_str(), (elsewhere / "file").c_str()) == -1);
  CHECK(errno == EXDEV);
  CHECK(::link((files.mount / "file").c_str(), (files.source / "link").c_str()) == -1);
  CHECK(errno == EXDEV);
}

// What FUSE doesn't pass on to any daemon.
TEST_CASE("Collapsing and inserting ranges is refused, and changes nothing", "[writing]") {
  const Writable files(each_read_path());
  write_file(files.source / "file", pattern(20'000, 1));
  const UniqueFd fd = open_fd(files.mount / "file", O_RDWR);
  for (const int mode : {FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE}) {
    CHECK(::fallocate(fd.get(), mode, 0, 4'096) == -1);
    CHECK(errno == EOPNOTSUPP);
  }
  CHECK(difference(read_file(files.source / "file"), pattern(20'000, 1)).empty());
}

}  // namespace
}  // namespace mmapdir::test
