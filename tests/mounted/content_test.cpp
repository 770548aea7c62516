// SPDX-License-Identifier: MIT
// What is read through the mount is what the source holds.

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_get_random_seed.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <memory>
#include <random>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr off_t kFourGiB = off_t{1} << 32U;

TEST_CASE("Every byte of files of every size is the source's byte", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  std::filesystem::create_directories(source / "deep/er");
  const auto names = make_files_of_each_size(source / "deep/er");
  const Mount mount(source.path(), {.options = path});

  for (const std::string& name : names) {
    CAPTURE(name);
    const std::string expected = read_file(source / "deep/er" / name);
    CHECK(difference(read_file(mount / "deep/er" / name), expected).empty());
    // A second reader, who may be served from what the first one left in memory.
    CHECK(difference(read_file(mount / "deep/er" / name), expected).empty());
  }
}

TEST_CASE("Reads of any length at any offset give what the source gives", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  constexpr std::size_t kSize = (3U << 20U) + 1234;
  write_file(source / "file", pattern(kSize, 1));
  const Mount mount(source.path(), {.options = path});
  const UniqueFd there = open_fd(source / "file", O_RDONLY);
  const UniqueFd here = open_fd(mount / "file", O_RDONLY);

  const auto seed = Catch::getSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::uniform_int_distribution<off_t> offsets(0, kSize + 5000);
  std::uniform_int_distribution<std::size_t> lengths(0, 300'000);
  for (int i = 0; i < 400; ++i) {
    const off_t offset = offsets(random);
    const std::size_t length = lengths(random);
    CAPTURE(offset, length);
    REQUIRE(difference(read_at(here.get(), length, offset), read_at(there.get(), length, offset))
                .empty());
  }
}

TEST_CASE("Reading on from where the last read ended gives the whole file", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern(200'001, 2);
  write_file(source / "file", content);
  const Mount mount(source.path(), {.options = path});

  const UniqueFd file = open_fd(mount / "file", O_RDONLY);
  std::string found;
  std::string piece(777, '\0');
  while (const ssize_t got = must(::read(file.get(), piece.data(), piece.size()), "read")) {
    found.append(piece, 0, static_cast<std::size_t>(got));
  }
  CHECK(difference(found, content).empty());
}

TEST_CASE("A sparse file's holes are zeros and its data is in place", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string data = pattern(10'000, 3);
  {
    const UniqueFd file = open_fd(source / "sparse", O_WRONLY | O_CREAT);
    write_at(file.get(), data, 1'000'000);
    must(::ftruncate(file.get(), 3'000'000), "ftruncate");
  }
  const Mount mount(source.path(), {.options = path});
  CHECK(difference(read_file(mount / "sparse"), read_file(source / "sparse")).empty());
}

TEST_CASE("Offsets beyond four GiB reach their own bytes", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string data = pattern(9'000, 4);
  {
    const UniqueFd file = open_fd(source / "big", O_WRONLY | O_CREAT);
    write_at(file.get(), pattern(9'000, 5), 0);
    write_at(file.get(), data, kFourGiB + 1234);
  }
  const Mount mount(source.path(), {.options = path});
  const UniqueFd there = open_fd(source / "big", O_RDONLY);
  const UniqueFd here = open_fd(mount / "big", O_RDONLY);

  CHECK(std::filesystem::file_size(mount / "big") == kFourGiB + 1234 + data.size());
  for (const off_t offset :
       {off_t{0}, off_t{1234}, kFourGiB / 2, kFourGiB - 100, kFourGiB, kFourGiB + 1234,
        kFourGiB + 5000, kFourGiB + 1234 + 9'000, kFourGiB * 2}) {
    CAPTURE(offset);
    CHECK(difference(read_at(here.get(), 20'000, offset), read_at(there.get(), 20'000, offset))
              .empty());
  }
}

TEST_CASE("O_DIRECT reads give the source's bytes where the source has O_DIRECT", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  constexpr std::size_t kBlock = 4096;
  write_file(source / "file", pattern((10 * kBlock) + 100, 6));
  const UniqueFd there(::open((source / "file").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!there) {
    skip("the source's file system has no O_DIRECT");
  }
  const Mount mount(source.path(), {.options = path});
  const UniqueFd here = open_fd(mount / "file", O_RDONLY | O_DIRECT);

  const std::unique_ptr<char, decltype(&std::free)> buffer(
      static_cast<char*>(std::aligned_alloc(kBlock, 4 * kBlock)), &std::free);
  const auto read_block = [&](const UniqueFd& file, off_t offset) {
    const ssize_t got = must(::pread(file.get(), buffer.get(), 4 * kBlock, offset), "pread");
    return std::string(buffer.get(), static_cast<std::size_t>(got));
  };
  for (off_t offset = 0; offset <= 12 * off_t{kBlock}; offset += off_t{kBlock}) {
    CAPTURE(offset);
    CHECK(difference(read_block(here, offset), read_block(there, offset)).empty());
  }
}

TEST_CASE("Copying out of the mount inside the kernel gives the source's bytes", "[content]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const TemporaryDirectory target;
  const std::string content = pattern(1'500'000, 7);
  write_file(source / "file", content);
  const Mount mount(source.path(), {.options = path});

  const UniqueFd from = open_fd(mount / "file", O_RDONLY);
  const UniqueFd to = open_fd(target / "copy", O_RDWR | O_CREAT);
  off_t offset = 0;
  while (must(::sendfile(to.get(), from.get(), &offset, 300'000), "sendfile") > 0) {
  }
  CHECK(difference(read_file(target / "copy"), content).empty());
}

}  // namespace
}  // namespace mmapdir::test
