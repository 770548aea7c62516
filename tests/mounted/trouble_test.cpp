// SPDX-License-Identifier: MIT
// The source changes while it is read, readers die or come in crowds: bytes stay right, and the
// daemon goes on.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kSize = 700'000;

// A file of the source and a reader who has read half of it through the mount.
struct HalfRead {
  explicit HalfRead(const ReadPath& path) : mount(prepared(source), {.options = path}) {
    half = read_at(file.get(), kSize / 2, 0);
  }

  static const std::filesystem::path& prepared(const TemporaryDirectory& source) {
    write_file(source / "file", std::string(kSize, 'A'));
    return source.path();
  }

  std::string rest() const { return read_at(file.get(), kSize, kSize / 2); }

  // After the cache's second, whoever opens the file and who still has it open get what is there.
  bool settles_to(const std::string& content) const {
    return eventually([&] {
      return read_file(mount / "file") == content &&
             std::filesystem::file_size(mount / "file") == content.size();
    });
  }
  bool open_file_settles_to(const std::string& content) const {
    return eventually([&] { return read_at(file.get(), 2 * kSize, 0) == content; });
  }

  TemporaryDirectory source;
  Mount mount;
  UniqueFd file = open_fd(mount / "file", O_RDONLY);
  std::string half;
};

TEST_CASE("Who has a file open goes on reading it after it was replaced by rename", "[trouble]") {
  const HalfRead reader(each_read_path());
  const std::string content(kSize + 5'000, 'B');
  write_file(reader.source / "new", content);
  std::filesystem::rename(reader.source / "new", reader.source / "file");

  CHECK(difference(reader.half + reader.rest(), std::string(kSize, 'A')).empty());
  CHECK(reader.settles_to(content));
  CHECK(difference(reader.half + reader.rest(), std::string(kSize, 'A')).empty());
}

TEST_CASE("Who has a file open goes on reading it after it was deleted", "[trouble]") {
  const HalfRead reader(each_read_path());
  std::filesystem::remove(reader.source / "file");
  CHECK(difference(reader.half + reader.rest(), std::string(kSize, 'A')).empty());
  CHECK(eventually([&] { return !std::filesystem::exists(reader.mount / "file"); }));
  CHECK(difference(reader.half + reader.rest(), std::string(kSize, 'A')).empty());
}

TEST_CASE("A file rewritten in place shows old or new bytes, and soon the new ones", "[trouble]") {
  const HalfRead reader(each_read_path());
  const std::string content(kSize, 'B');
  write_at(open_fd(reader.source / "file", O_WRONLY).get(), content, 0);

  const std::string rest = reader.rest();
  CHECK(rest.size() == kSize - (kSize / 2));
  CHECK(rest.find_first_not_of("AB") == std::string::npos);
  CHECK(reader.settles_to(content));
  CHECK(reader.open_file_settles_to(content));
}

TEST_CASE("A file that grows shows its new end soon, also to who has it open", "[trouble]") {
  const HalfRead reader(each_read_path());
  const std::string content = std::string(kSize, 'A') + std::string(kSize, 'B');
  write_at(open_fd(reader.source / "file", O_WRONLY).get(), std::string(kSize, 'B'), kSize);
  CHECK(reader.settles_to(content));
  CHECK(reader.open_file_settles_to(content));
}

TEST_CASE("A truncated file gives what is left, zeros up to its old end or an error", "[trouble]") {
  HalfRead reader(each_read_path());
  must(::truncate((reader.source / "file").c_str(), 1'000), "truncate");

  // Until the new size is known the kernel fills up to the old one: zeros are fair for a second.
  std::string buffer(kSize, 'x');
  const ssize_t got = ::pread(reader.file.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) {
    CHECK(errno == EIO);
  } else {
    buffer.resize(static_cast<std::size_t>(got));
    CHECK(buffer.find_first_not_of(std::string_view("A\0", 2)) == std::string::npos);
  }
  CHECK(reader.mount.daemon().running());
  CHECK(reader.settles_to(std::string(1'000, 'A')));
  CHECK(reader.open_file_settles_to(std::string(1'000, 'A')));
}

TEST_CASE("A file truncated and written anew shows what was written", "[trouble]") {
  const HalfRead reader(each_read_path());
  const std::string content(kSize / 3, 'C');
  write_file(reader.source / "file", content);
  CHECK(reader.settles_to(content));
  CHECK(reader.open_file_settles_to(content));
}

TEST_CASE("A source that vanishes leaves a mount that answers and can be unmounted", "[trouble]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  write_file(all / "source/file", "x");
  Mount mount(all / "source", {.options = path});
  CHECK(read_file(mount / "file") == "x");
  std::filesystem::remove_all(all / "source");
  CHECK(eventually([&] { return !std::filesystem::exists(mount / "file"); }));
  CHECK(mount.daemon().running());
}

TEST_CASE("Readers killed in the midst of reading leave the mount as it was", "[trouble]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern(3'000'000, 1);
  write_file(source / "file", content);
  Mount mount(source.path(), {.options = path});
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  const UniqueFd started(ends[0]);
  const UniqueFd starting(ends[1]);
  for (int round = 0; round < 20; ++round) {
    Process reader = Process::call([&]() -> int {
      must(::write(starting.get(), "r", 1), "write");
      for (;;) {
        (void)read_file(mount / "file");
      }
    });
    char byte = 0;
    REQUIRE(::read(started.get(), &byte, 1) == 1);
    reader.signal(SIGKILL);
    CHECK(reader.wait() == 128 + SIGKILL);
  }
  CHECK(mount.daemon().running());
  CHECK(difference(read_file(mount / "file"), content).empty());
}

TEST_CASE("64 readers at once all get the source's bytes", "[trouble]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  auto names = make_files_of_each_size(source.path());
  const Mount mount(source.path(), {.options = path});
  std::vector<Process> readers;
  readers.reserve(64);
  for (int i = 0; i < 64; ++i) {
    std::ranges::rotate(names, names.begin() + 1);
    readers.push_back(Process::call([&] {
      for (const std::string& name : names) {
        if (!difference(read_file(mount / name), read_file(source / name)).empty()) {
          return 1;
        }
      }
      return 0;
    }));
  }
  for (Process& reader : readers) {
    CHECK(reader.wait(kPatience) == 0);
  }
}

}  // namespace
}  // namespace mmapdir::test
