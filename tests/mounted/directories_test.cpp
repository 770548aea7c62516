// SPDX-License-Identifier: MIT
// Directories list what the source lists: every name once, with its type, from any position.

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <memory>
#include <thread>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory open_directory(const std::filesystem::path& path) {
  Directory directory(::opendir(path.c_str()));
  if (!directory) {
    throw std::system_error(errno, std::generic_category(), "opendir " + path.string());
  }
  return directory;
}

const dirent* next_of(const Directory& directory) {
  // Each stream is read by one thread, which is all that POSIX asks for.
  return ::readdir(directory.get());  // NOLINT(concurrency-mt-unsafe)
}

struct Entry {
  std::string name;
  ino_t inode = 0;
  unsigned char type = 0;
  long position_after = 0;

  bool operator==(const Entry& other) const {
    return name == other.name && inode == other.inode && type == other.type;
  }
};

std::vector<Entry> rest_of(const Directory& directory) {
  std::vector<Entry> entries;
  while (const dirent* entry = next_of(directory)) {
    entries.push_back({.name = static_cast<const char*>(entry->d_name),
                       .inode = entry->d_ino,
                       .type = entry->d_type,
                       .position_after = ::telldir(directory.get())});
  }
  return entries;
}

std::vector<Entry> sorted(std::vector<Entry> entries) {
  // What lies above the mount's root is not the source's business.
  std::erase_if(entries, [](const Entry& entry) { return entry.name == ".."; });
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

void make_names(const std::filesystem::path& directory, int count) {
  for (int i = 0; i < count; ++i) {
    open_fd(directory / fmt::format("entry-{}", i), O_WRONLY | O_CREAT);
  }
}

TEST_CASE("Entries have the source's names, inode numbers and types", "[directories]") {
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "directory");
  write_file(source / "file", "");
  must(::symlink("file", (source / "link").c_str()), "symlink");
  must(::mkfifo((source / "fifo").c_str(), 0600), "mkfifo");
  const Mount mount(source.path());
  const auto here = sorted(rest_of(open_directory(mount.root())));
  const auto there = sorted(rest_of(open_directory(source.path())));
  REQUIRE(here.size() == 5);  // and "."
  for (std::size_t i = 0; i < here.size(); ++i) {
    CAPTURE(here[i].name, there[i].name, here[i].inode, there[i].inode);
    CHECK(here[i] == there[i]);
  }
}

TEST_CASE("Names may hold any byte and be 255 bytes long", "[directories]") {
  const TemporaryDirectory source;
  std::string every_byte;
  for (int byte = 1; byte < 256; ++byte) {
    every_byte += byte == '/' ? std::string() : std::string(1, static_cast<char>(byte));
  }
  for (const std::string& name :
       {every_byte, std::string("new\nline"), std::string("\xff\xfe not UTF-8"),
        std::string(255, 'x'), std::string(" "), std::string("-rf"), std::string("...")}) {
    write_file(source / name, name);
  }
  const Mount mount(source.path());
  const auto names = names_in(mount.root());
  REQUIRE(names == names_in(source.path()));
  REQUIRE(names.size() == 7);
  for (const std::string& name : names) {
    CHECK(read_file(mount / name) == name);
  }
}

TEST_CASE("A directory of 20,000 entries is listed completely", "[directories]") {
  const TemporaryDirectory source;
  make_names(source.path(), 20'000);
  // The second with no cache, so that each entry is looked up anew.
  for (const char* cache : {"--cache=auto", "--cache=never"}) {
    const Mount mount(source.path(), {.options = {cache}});
    CHECK((names_in(mount.root()) == names_in(source.path())));
    CHECK(attributes(mount / "entry-19999") == attributes(source / "entry-19999"));
  }
}

TEST_CASE("telldir and seekdir lead back to each entry, rewinddir to the first", "[directories]") {
  const TemporaryDirectory source;
  make_names(source.path(), 500);
  const Mount mount(source.path());
  const Directory directory = open_directory(mount.root());
  const auto entries = rest_of(directory);
  REQUIRE(entries.size() == 502);

  for (std::size_t i = 0; i + 1 < entries.size(); i += 37) {
    ::seekdir(directory.get(), entries[i].position_after);
    const dirent* next = next_of(directory);
    REQUIRE(next != nullptr);
    CHECK(std::string(static_cast<const char*>(next->d_name)) == entries[i + 1].name);
  }
  ::seekdir(directory.get(), entries.back().position_after);
  CHECK(next_of(directory) == nullptr);
  ::rewinddir(directory.get());
  CHECK((sorted(rest_of(directory)) == sorted(entries)));
}

TEST_CASE("rewinddir shows what has changed since the directory was opened", "[directories]") {
  const TemporaryDirectory source;
  make_names(source.path(), 3);
  const Mount mount(source.path());
  const Directory directory = open_directory(mount.root());
  CHECK(rest_of(directory).size() == 5);
  write_file(source / "new", "");
  CHECK(eventually([&] {
    ::rewinddir(directory.get());
    return rest_of(directory).size() == 6;
  }));
}

TEST_CASE("Two readers of one directory don't disturb each other", "[directories]") {
  const TemporaryDirectory source;
  make_names(source.path(), 2'000);
  const Mount mount(source.path());
  const Directory first = open_directory(mount.root());
  const Directory second = open_directory(mount.root());
  for (int i = 0; i < 500; ++i) {
    REQUIRE(next_of(first) != nullptr);
  }
  CHECK(rest_of(second).size() == 2'002);
  CHECK(rest_of(first).size() == 1'502);
}

TEST_CASE("A directory that changes meanwhile lists each lasting name exactly once",
          "[directories]") {
  const TemporaryDirectory source;
  constexpr int kLasting = 2'000;
  make_names(source.path(), kLasting);
  const Mount mount(source.path());

  std::atomic<bool> stop = false;
  const std::jthread writer([&] {
    for (int i = 0; !stop; ++i) {
      open_fd(source / fmt::format("passing-{}", i), O_WRONLY | O_CREAT);
      if (i >= 50) {
        std::filesystem::remove(source / fmt::format("passing-{}", i - 50));
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, int> seen;
    for (const Entry& entry : rest_of(open_directory(mount.root()))) {
      ++seen[entry.name];
    }
    int lasting = 0;
    for (const auto& [name, times] : seen) {
      CAPTURE(name);
      REQUIRE(times == 1);
      lasting += name.starts_with("entry-") ? 1 : 0;
    }
    REQUIRE(lasting == kLasting);
  }
  stop = true;
}

TEST_CASE("A tree deeper than PATH_MAX is reached step by step", "[directories]") {
  const TemporaryDirectory source;
  constexpr int kDepth = 30;
  const std::string name(200, 'd');
  UniqueFd there = open_fd(source.path(), O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < kDepth; ++level) {
    must(::mkdirat(there.get(), name.c_str(), 0755), "mkdirat");
    there.reset(must(::openat(there.get(), name.c_str(), O_RDONLY | O_DIRECTORY), "openat"));
  }
  const UniqueFd made(must(::openat(there.get(), "file", O_WRONLY | O_CREAT, 0644), "openat"));
  write_at(made.get(), "deep down", 0);

  const Mount mount(source.path());
  UniqueFd here = open_fd(mount.root(), O_RDONLY | O_DIRECTORY);
  for (int level = 0; level < kDepth; ++level) {
    here.reset(must(::openat(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY), "openat"));
  }
  const UniqueFd file(must(::openat(here.get(), "file", O_RDONLY), "openat"));
  CHECK(read_at(file.get(), 100, 0) == "deep down");
}

TEST_CASE("A removed directory that is still open is empty and doesn't fail", "[directories]") {
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "going");
  make_names(source / "going", 3);
  const Mount mount(source.path());
  const Directory directory = open_directory(mount / "going");
  std::filesystem::remove_all(source / "going");
  errno = 0;
  (void)rest_of(directory);
  CHECK(errno == 0);
  CHECK(eventually([&] { return !std::filesystem::exists(mount / "going"); }));
}

}  // namespace
}  // namespace mmapdir::test
