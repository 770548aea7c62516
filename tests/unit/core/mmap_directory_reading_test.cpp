// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "detached_mount.h"
#include "mmapdir/mmap_directory.h"
#include "scratch.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using test::must;
using test::put_file;
using test::relative;
using test::text_of;

std::string whole(const Directory& directory, std::string_view path) {
  return text_of(directory.open_read(relative(path)).value().read_all().value());
}

// A directory "root" with a file "root/file", and beside it "outside/secret".
class MmapDirectoryTest {
 protected:
  MmapDirectoryTest() {
    fs::create_directories(root() / "dir");
    fs::create_directories(scratch_ / "outside");
    put_file(root() / "file", "text");
    put_file(scratch_ / "outside/secret", "secret");
  }

  fs::path root() const { return scratch_ / "root"; }
  fs::path outside() const { return scratch_ / "outside"; }
  MmapDirectory open(MmapDirectoryOptions options = {}) const {
    return MmapDirectory::open(root(), std::move(options)).value();
  }

 private:
  test::ScratchDirectory scratch_;
};

void check_unreachable(const MmapDirectory& directory, std::string_view text) {
  CAPTURE(text);
  const auto path = relative(text);
  for (const auto& error : {directory.open_read(path).error(), directory.open_lazy(path).error(),
                            directory.file_size(path).error(), directory.exists(path).error(),
                            directory.read_range(path, {}).error()}) {
    CHECK(error.code() == std::errc::cross_device_link);
  }
}

TEST_CASE_METHOD(MmapDirectoryTest, "no symbolic link leads out of the root") {
  const auto directory = open();
  fs::create_symlink(outside() / "secret", root() / "absolute");
  fs::create_symlink("../outside/secret", root() / "upwards");
  fs::create_symlink("../../outside/secret", root() / "dir/upwards");
  fs::create_directory_symlink(outside(), root() / "absolute-dir");
  fs::create_directory_symlink("../outside", root() / "dir-upwards");
  fs::create_symlink(root() / "file", root() / "absolute-but-inside");
  for (const auto* const path : {"absolute", "upwards", "dir/upwards", "absolute-dir/secret",
                                 "dir-upwards/secret", "absolute-but-inside"}) {
    check_unreachable(directory, path);
  }
  CHECK(directory.list_files({}).value() == std::vector{relative("file")});
  CHECK(directory.list_files(relative("dir-upwards")).error().code() ==
        std::errc::cross_device_link);
}

TEST_CASE_METHOD(MmapDirectoryTest, "a symbolic link that stays beneath the root is followed") {
  const auto directory = open();
  put_file(root() / "dir/inner", "inner");
  fs::create_symlink("dir/inner", root() / "down");
  fs::create_symlink("../file", root() / "dir/up");
  fs::create_directory_symlink("dir", root() / "alias");
  CHECK(whole(directory, "down") == "inner");
  CHECK(whole(directory, "dir/up") == "text");
  CHECK(whole(directory, "alias/inner") == "inner");
  CHECK(directory.exists(relative("down")).value());
  CHECK(directory.file_size(relative("down")).value() == 5);
  CHECK(directory.list_files({}).value() == std::vector{relative("down"), relative("file")});
}

TEST_CASE_METHOD(MmapDirectoryTest, "a broken symbolic link is no file and a circle is an error") {
  const auto directory = open();
  fs::create_symlink("nowhere", root() / "broken");
  fs::create_symlink("circle", root() / "circle");
  CHECK_FALSE(directory.exists(relative("broken")).value());
  CHECK(directory.exists(relative("circle")).error().code() ==
        std::errc::too_many_symbolic_link_levels);
  CHECK(directory.list_files({}).value() == std::vector{relative("file")});
}

TEST_CASE_METHOD(MmapDirectoryTest, "a FIFO is refused without waiting for a writer") {
  const auto directory = open();
  must(::mkfifo((root() / "fifo").c_str(), 0644), "mkfifo");
  const auto path = relative("fifo");
  for (const auto& error : {directory.open_read(path).error(), directory.open_lazy(path).error(),
                            directory.file_size(path).error()}) {
    CHECK(error.code() == std::errc::operation_not_supported);
    CHECK(error.message() == "use special file 'fifo': Operation not supported");
  }
  CHECK_FALSE(directory.exists(path).value());
  CHECK(directory.list_files({}).value() == std::vector{relative("file")});
}

TEST_CASE_METHOD(MmapDirectoryTest, "only an existing directory can be opened") {
  CHECK(MmapDirectory::open(root() / "missing").error().code() ==
        std::errc::no_such_file_or_directory);
  const auto file = MmapDirectory::open(root() / "file");
  REQUIRE_FALSE(file);
  CHECK(file.error().code() == std::errc::not_a_directory);
  CHECK(file.error().message() ==
        "open directory '" + (root() / "file").string() + "': Not a directory");
}

TEST_CASE_METHOD(MmapDirectoryTest, "a directory that was renamed goes on being read") {
  const auto directory = open();
  fs::rename(root(), outside() / "moved");
  CHECK(whole(directory, "file") == "text");
}

TEST_CASE_METHOD(MmapDirectoryTest, "a file is handed out mapped, without a copy") {
  const auto directory = open();
  const auto slice = directory.open_read(relative("file")).value();
  CHECK(slice.is_mapped());
  CHECK(slice.read_all().value().bytes().data() ==
        directory.open_read(relative("file")).value().read_all().value().bytes().data());
}

TEST_CASE_METHOD(MmapDirectoryTest, "an open mapped slice holds no descriptor") {
  const auto directory = open();
  const auto slice = directory.open_read(relative("file")).value();
  CHECK(test::open_descriptors_in(root() / "file") == 0);
  CHECK(text_of(slice.read_all().value()) == "text");
}

TEST_CASE_METHOD(MmapDirectoryTest, "copies share the cache, and so do directories given one") {
  const auto cache = std::make_shared<MappingCache>();
  auto directory = open({.mappings = cache});
  const auto copy = directory;
  const auto other = open({.mappings = cache});
  CHECK(whole(directory, "file") == "text");
  CHECK(whole(copy, "file") == "text");
  CHECK(whole(other, "file") == "text");
  CHECK(cache->counters().misses == 1);
  CHECK(cache->counters().hits == 2);
  directory.clear_cache();
  CHECK(other.mapping_cache()->counters().mappings == 0);
}

TEST_CASE_METHOD(MmapDirectoryTest, "where maps are exhausted the same bytes come by pread") {
  const auto directory =
      open({.mappings = MappingLimits{.max_mappings = 1, .max_bytes = 1U << 20U}});
  put_file(root() / "other", "other");
  const auto mapped = directory.open_read(relative("file")).value();
  const auto plain = directory.open_read(relative("other")).value();
  CHECK(mapped.is_mapped());
  CHECK_FALSE(plain.is_mapped());
  CHECK(text_of(plain.read_all().value()) == "other");
  CHECK(text_of(plain.read_range({.offset = 2, .length = 2}).value()) == "he");
  CHECK(directory.mapping_cache()->counters().refusals == 1);
}

TEST_CASE_METHOD(MmapDirectoryTest, "a guarded read of a truncated mapped file is an error") {
  const auto directory = open();
  const auto slice = directory.open_read(relative("file")).value();
  test::resize(root() / "file", 0);
  std::array<std::byte, 4> buffer{};
  CHECK(slice.read_at(0, buffer).error().code() == std::errc::io_error);
  CHECK(slice.read_all().value().copy_to(buffer).error().code() == std::errc::io_error);
  CHECK(directory.file_size(relative("file")).value() == 0);
  CHECK(directory.open_read(relative("file")).value().length() == 0);
}

TEST_CASE_METHOD(MmapDirectoryTest, "a slice keeps its length when its file grows") {
  const auto directory = open();
  const auto slice = directory.open_read(relative("file")).value();
  test::append_to(root() / "file", " and more");
  CHECK(text_of(slice.read_all().value()) == "text");
  CHECK(whole(directory, "file") == "text and more");
}

TEST_CASE_METHOD(MmapDirectoryTest, "bytes beyond 4 GiB are where they belong") {
  constexpr std::uint64_t kOffset = (std::uint64_t{5} << 30U) + 3;
  const auto path = root() / "sparse";
  put_file(path, "begin");
  test::resize(path, kOffset);
  test::append_to(path, "end");
  for (const auto& directory :
       {open(), open({.mappings = MappingLimits{.max_mappings = 0, .max_bytes = 0}})}) {
    const auto slice = directory.open_read(relative("sparse")).value();
    CHECK(slice.length() == kOffset + 3);
    CHECK(text_of(slice.read_range({.offset = kOffset, .length = 3}).value()) == "end");
    CHECK(text_of(slice.read_range({.offset = 0, .length = 5}).value()) == "begin");
    const auto tail = slice.slice({.offset = kOffset - 1, .length = 4}).value();
    CHECK(text_of(tail.read_range({.offset = 1, .length = 3}).value()) == "end");
  }
}

TEST_CASE_METHOD(MmapDirectoryTest, "a file that overlayfs copies up is not read from before") {
  const auto upper = outside() / "upper";
  const auto work = outside() / "work";
  fs::create_directories(upper);
  fs::create_directories(work);
  const test::DetachedMount overlay("overlay",
                                    {{"lowerdir", root()}, {"upperdir", upper}, {"workdir", work}});
  const auto directory = MmapDirectory::open(overlay.path()).value();
  const auto lower = directory.open_read(relative("file")).value();
  CHECK(text_of(lower.read_all().value()) == "text");
  must(::pwrite(test::open_file(overlay.path() / "file", O_WRONLY).get(), "next", 4, 0), "pwrite");
  CHECK(whole(directory, "file") == "next");
}

}  // namespace
}  // namespace mmapdir
