// SPDX-License-Identifier: MIT
// A program that was written through the mount can be run on the source once it is closed, as one
// that was written there: nothing of the daemon's has it open for writing any more.

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

struct Workshop {
  explicit Workshop(const ReadPath& path) : mount(source.path(), {.options = path}) {}

  // Opens and writes the program through the mount.
  UniqueFd write(int flags, mode_t mode = 0755) const {
    UniqueFd fd(::open((mount / "program").c_str(), flags | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    REQUIRE(fd);
    write_at(fd.get(), program, 0);
    return fd;
  }

  // The errno of running it on the source; 0 where it ran.
  int run() const {
    const std::string file = source / "program";
    std::array<char*, 2> arguments{const_cast<char*>(file.c_str()), nullptr};
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, file.c_str(), nullptr, nullptr, arguments.data(), environ);
    if (error == 0) {
      must(::waitpid(child, nullptr, 0), "waitpid");
    }
    return error;
  }

  TemporaryDirectory source;
  Mount mount;
  std::string program = read_file("/bin/true");
};

TEST_CASE("A program that was written and closed runs on the source at once", "[executing]") {
  const Workshop workshop(each_read_path());
  for (const int flags : {O_WRONLY, O_RDWR, O_RDWR | O_APPEND}) {
    CAPTURE(flags);
    int ran = 0;
    for (int turn = 0; turn < 100; ++turn) {
      workshop.write(flags).reset();
      ran += workshop.run() == 0 ? 1 : 0;
      std::filesystem::remove(workshop.mount / "program");
    }
    CHECK(ran == 100);
  }
}

TEST_CASE("It runs while somebody else reads it through the mount", "[executing]") {
  const Workshop workshop(each_read_path());
  UniqueFd writer = workshop.write(O_RDWR);
  const UniqueFd reader = open_fd(workshop.mount / "program", O_RDONLY);
  CHECK(read_at(reader.get(), workshop.program.size(), 0) == workshop.program);
  CHECK(read_at(writer.get(), workshop.program.size(), 0) == workshop.program);
  CHECK(workshop.run() == ETXTBSY);
  writer.reset();
  CHECK(workshop.run() == 0);
  CHECK(read_at(reader.get(), workshop.program.size(), 0) == workshop.program);
}

// As with any file: who may write it at first need not be who may when it is done.
TEST_CASE("It runs that got its mode when it was written", "[executing]") {
  const Workshop workshop(each_read_path());
  UniqueFd writer = workshop.write(O_WRONLY, 0600);
  must(::fchmod(writer.get(), 0555), "fchmod");
  writer.reset();
  CHECK(workshop.run() == 0);
}

// A linker stores its output in a mapping.
TEST_CASE("It runs that was stored in a mapping", "[executing]") {
  const Workshop workshop(each_read_path());
  const std::size_t size = workshop.program.size();
  UniqueFd writer = workshop.write(O_RDWR);
  write_at(writer.get(), std::string(size, '\0'), 0);
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0);
  REQUIRE(mapped != MAP_FAILED);
  workshop.program.copy(static_cast<char*>(mapped), size);
  must(::munmap(mapped, size), "munmap");
  writer.reset();
  CHECK(workshop.run() == 0);
}

// The daemon can't tell the close of a duplicate from the last one.
TEST_CASE("A program goes on being written after a duplicate was closed", "[executing]") {
  const Workshop workshop(each_read_path());
  const UniqueFd writer = workshop.write(O_RDWR);
  const auto close_duplicate = [&] { UniqueFd(must(::dup(writer.get()), "dup")).reset(); };
  close_duplicate();
  write_at(writer.get(), "one", 0);
  close_duplicate();
  must(::ftruncate(writer.get(), 10), "ftruncate");
  close_duplicate();
  must(::fallocate(writer.get(), 0, 0, 20), "fallocate");
  close_duplicate();
  must(::fsync(writer.get()), "fsync");
  off_t from = 0;
  off_t to = 12;
  close_duplicate();
  must(::copy_file_range(writer.get(), &from, writer.get(), &to, 3, 0), "copy_file_range");
  const std::string written = read_file(workshop.source / "program");
  CHECK(written.size() == 20);
  CHECK(written.substr(0, 3) == "one");
  CHECK(written.substr(12, 3) == "one");
  CHECK(read_file(workshop.mount / "program") == written);
  CHECK(workshop.run() == ETXTBSY);  // it was opened for writing again
}

TEST_CASE("What appends goes on appending after a duplicate was closed", "[executing]") {
  const Workshop workshop(each_read_path());
  const UniqueFd writer = workshop.write(O_WRONLY | O_APPEND);
  UniqueFd(must(::dup(writer.get()), "dup")).reset();
  std::filesystem::resize_file(workshop.source / "program", 10);
  REQUIRE(::write(writer.get(), "end", 3) == 3);
  CHECK(read_file(workshop.source / "program") == workshop.program.substr(0, 10) + "end");
}

}  // namespace
}  // namespace mmapdir::test
