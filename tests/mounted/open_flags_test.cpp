// SPDX-License-Identifier: MIT
// The flags of an open file that fcntl may give and take back, O_DIRECT and O_APPEND, are those
// that it has now, whoever else has the file open and in whichever order.

#include <fcntl.h>
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

constexpr std::size_t kPage = 4096;

// One page that O_DIRECT takes.
class AlignedPage {
 public:
  explicit AlignedPage(char filling)
      : bytes_(static_cast<char*>(std::aligned_alloc(kPage, kPage)), std::free) {
    std::fill_n(bytes_.get(), kPage, filling);
  }
  std::string_view view() const { return {bytes_.get(), kPage}; }

 private:
  std::unique_ptr<char, void (*)(void*)> bytes_;
};

void set_flags(int fd, int flags) { must(::fcntl(fd, F_SETFL, flags), "fcntl"); }

off_t size_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_size;
}

void write_next(int fd, std::string_view bytes) {
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

bool has_direct_io(const TemporaryDirectory& directory) {
  write_file(directory / "probe", "");
  const UniqueFd fd(::open((directory / "probe").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  std::filesystem::remove(directory / "probe");
  return static_cast<bool>(fd);
}

struct Subject {
  explicit Subject(const ReadPath& path) : mount(source.path(), {.options = path}) {
    if (!has_direct_io(source)) {
      skip("the source's file system has no O_DIRECT");
    }
  }

  TemporaryDirectory source;
  Mount mount;
};

// dd's way and MinIO's: whole pages by O_DIRECT, the tail without it.
void write_pages_and_tail(int fd, std::string_view tail) {
  write_next(fd, AlignedPage('p').view());
  set_flags(fd, 0);
  write_next(fd, tail);
}

TEST_CASE("The tail of a file written by O_DIRECT is written without it", "[open_flags]") {
  const Subject files(each_read_path());
  const std::string expected = std::string(kPage, 'p') + "tail";
  // Who has it open before, and how; and who opens it while it is written.
  for (const int before : {-1, O_RDONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_DIRECT}) {
    CAPTURE(before);
    write_file(files.source / "file", "");
    const UniqueFd other = before < 0 ? UniqueFd() : open_fd(files.mount / "file", before);
    UniqueFd writer = open_fd(files.mount / "file", O_WRONLY | O_DIRECT);
    const UniqueFd later = open_fd(files.mount / "file", O_RDONLY);
    write_pages_and_tail(writer.get(), "tail");
    CHECK(size_of(later.get()) == static_cast<off_t>(expected.size()));
    CHECK(difference(read_at(later.get(), 2 * kPage, 0), expected).empty());
    CHECK(difference(read_file(files.source / "file"), expected).empty());
    writer.reset();
    CHECK(difference(read_at(later.get(), 2 * kPage, 0), expected).empty());
    CHECK(difference(read_file(files.mount / "file"), expected).empty());
  }
  const UniqueFd created = open_fd(files.mount / "new", O_WRONLY | O_CREAT | O_DIRECT);
  write_pages_and_tail(created.get(), "tail");
  CHECK(difference(read_file(files.source / "new"), expected).empty());
}

TEST_CASE("dd with O_DIRECT copies a file of any size", "[open_flags]") {
  ReadPath path = each_read_path();
  if (path.size() == 1) {
    path.push_back(GENERATE("--cache=auto", "--cache=never", "--cache=always"));
  }
  const Subject files(path);
  for (const std::string& name : make_files_of_each_size(files.source.path())) {
    CAPTURE(name);
    const std::string expected = read_file(files.source / name);
    const Outcome copied =
        run({"dd", "if=" + (files.mount / name).string(), "of=" + (files.mount / "copy").string(),
             "bs=64k", "iflag=direct", "oflag=direct"});
    CAPTURE(copied.error);
    CHECK(copied.status == 0);
    CHECK(difference(read_file(files.source / "copy"), expected).empty());
    CHECK(difference(read_file(files.mount / "copy"), expected).empty());
  }
}

TEST_CASE("O_APPEND that is taken back, and given again, is heeded", "[open_flags]") {
  const Subject files(each_read_path());
  write_file(files.source / "file", std::string(10, '.'));
  const int before = GENERATE(-1, O_RDONLY, O_RDWR);
  CAPTURE(before);
  const UniqueFd other = before < 0 ? UniqueFd() : open_fd(files.mount / "file", before);
  for (const int opened_with : {O_RDWR | O_APPEND, O_WRONLY | O_APPEND, O_RDWR}) {
    CAPTURE(opened_with);
    write_file(files.source / "file", std::string(10, '.'));
    const UniqueFd fd = open_fd(files.mount / "file", opened_with);
    set_flags(fd.get(), 0);
    write_at(fd.get(), "ab", 0);
    CHECK(size_of(fd.get()) == 10);
    set_flags(fd.get(), O_APPEND);
    write_at(fd.get(), "yz", 0);
    CHECK(size_of(fd.get()) == 12);
    CHECK(::lseek(fd.get(), 0, SEEK_CUR) == 0);
    CHECK(read_file(files.source / "file") == "ab........yz");
    CHECK(read_file(files.mount / "file") == "ab........yz");
  }
}

TEST_CASE("O_DIRECT that is given later is taken, and so is what isn't aligned", "[open_flags]") {
  const Subject files(each_read_path());
  write_file(files.source / "file", pattern(3 * kPage, 1));
  const UniqueFd fd = open_fd(files.mount / "file", O_RDWR);
  set_flags(fd.get(), O_DIRECT);
  const AlignedPage page('d');
  write_at(fd.get(), page.view(), kPage);
  CHECK(read_file(files.source / "file").substr(kPage, kPage) == page.view());
  set_flags(fd.get(), 0);
  write_at(fd.get(), "odd", 1);
  CHECK(read_at(fd.get(), 3, 1) == "odd");
  CHECK(read_file(files.source / "file").substr(1, 3) == "odd");
}

TEST_CASE("A handle that appends sees what others write and map, and they what it does",
          "[open_flags]") {
  const Subject files(each_read_path());
  write_file(files.source / "file", std::string(kPage, '.'));
  const UniqueFd appender = open_fd(files.mount / "file", O_RDWR | O_APPEND);
  const UniqueFd other = open_fd(files.mount / "file", O_RDWR);
  void* const address =
      ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, appender.get(), 0);
  REQUIRE(address != MAP_FAILED);
  auto* const mapped = static_cast<char*>(address);
  write_at(other.get(), "other", 0);
  CHECK(read_at(appender.get(), 5, 0) == "other");
  CHECK(std::string_view(mapped, 5) == "other");
  mapped[0] = 'O';
  CHECK(read_at(appender.get(), 5, 0) == "Other");
  CHECK(read_at(other.get(), 5, 0) == "Other");
  write_next(appender.get(), "end");
  CHECK(size_of(other.get()) == kPage + 3);
  CHECK(read_at(other.get(), 10, kPage) == "end");
  set_flags(appender.get(), 0);
  write_at(appender.get(), "again", 0);
  CHECK(std::string_view(mapped, 5) == "again");
  CHECK(read_at(other.get(), 5, 0) == "again");
  ::munmap(address, kPage);
}

TEST_CASE("O_SYNC beside O_DIRECT or O_APPEND writes what it is given", "[open_flags]") {
  const Subject files(each_read_path());
  for (const int flags :
       {O_DIRECT | O_DSYNC, O_DIRECT | O_SYNC, O_APPEND | O_DSYNC, O_APPEND | O_SYNC}) {
    CAPTURE(flags);
    write_file(files.source / "file", "");
    const UniqueFd fd = open_fd(files.mount / "file", O_RDWR | flags);
    write_next(fd.get(), AlignedPage('s').view());
    set_flags(fd.get(), flags & ~(O_DIRECT | O_APPEND));
    write_at(fd.get(), "tail", kPage);
    CHECK(read_file(files.source / "file") == std::string(kPage, 's') + "tail");
    CHECK(::fdatasync(fd.get()) == 0);
  }
}

}  // namespace
}  // namespace mmapdir::test
