// SPDX-License-Identifier: MIT
// Reads from mappings while the source changes, and where no mapping is to be had.

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

#include "mmapdir/guarded_copy.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr std::size_t kPage = 4096;

void append(const std::filesystem::path& path, std::string_view bytes) {
  const UniqueFd fd = open_fd(path, O_WRONLY);
  write_at(fd.get(), bytes, must(::lseek(fd.get(), 0, SEEK_END), "lseek"));
}

TEST_CASE("A mapped read answers with the mapping itself, and copies nothing", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(kPage, 1));
  const auto opened = fixture.open(fixture.node_of("file"));
  std::vector<std::byte> scratch;
  const auto first = fixture.fs().read(opened.handle, 0, kPage, scratch);
  const auto second = fixture.fs().read(opened.handle, 0, kPage, scratch);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->owner);
  CHECK(first->bytes.data() == second->bytes.data());
  CHECK(scratch.empty());
}

TEST_CASE("A plain read fills the caller's buffer", "[mapped]") {
  Fixture fixture({.read_path = ReadPath::kPlain});
  write_file(fixture / "file", "bytes");
  const auto opened = fixture.open(fixture.node_of("file"));
  std::vector<std::byte> scratch;
  const auto view = fixture.fs().read(opened.handle, 0, kPage, scratch);
  REQUIRE(view);
  CHECK_FALSE(view->owner);
  CHECK(view->bytes.data() == scratch.data());
  CHECK(fixture.cache().counters().mappings == 0);
}

TEST_CASE("What was appended is read through a handle opened before", "[mapped]") {
  Fixture fixture;
  std::string content = pattern(100, 1);
  write_file(fixture / "file", content);
  const auto opened = fixture.open(fixture.node_of("file"));
  for (const std::size_t more : {std::size_t{1}, kPage, (3 * kPage) + 1}) {
    CHECK(fixture.read(opened.handle, 0, 10 * kPage) == content);
    const std::string bytes = pattern(more, 2);
    append(fixture / "file", bytes);
    content += bytes;
    CHECK(fixture.read(opened.handle, 0, 10 * kPage) == content);
  }
}

TEST_CASE("What was overwritten in place is read anew", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(3 * kPage, 1));
  const auto opened = fixture.open(fixture.node_of("file"));
  fixture.read(opened.handle, 0, kPage);
  const UniqueFd fd = open_fd(fixture / "file", O_WRONLY);
  const std::string changed = pattern(3 * kPage, 2);
  write_at(fd.get(), changed, 0);
  CHECK(fixture.read(opened.handle, 0, 3 * kPage) == changed);
}

TEST_CASE("A truncated file ends where it ends now, also within a mapped page", "[mapped]") {
  Fixture fixture;
  const std::string content = pattern(3 * kPage, 1);
  write_file(fixture / "file", content);
  const auto opened = fixture.open(fixture.node_of("file"));
  fixture.read(opened.handle, 0, 3 * kPage);
  for (const std::size_t size : {2 * kPage, kPage + 10, std::size_t{10}, std::size_t{0}}) {
    CAPTURE(size);
    must(::truncate((fixture / "file").c_str(), static_cast<off_t>(size)), "truncate");
    CHECK(fixture.read(opened.handle, 0, 3 * kPage) == content.substr(0, size));
    CHECK(fixture.read(opened.handle, size, kPage).empty());
  }
  write_file(fixture / "file", "grown again");
  CHECK(fixture.read(opened.handle, 0, kPage) == "grown again");
}

TEST_CASE("A replaced file is read as it was through handles opened before", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(kPage, 1));
  const auto before = fixture.open(fixture.node_of("file"));
  fixture.read(before.handle, 0, 1);
  write_file(fixture / "new", pattern(2 * kPage, 2));
  std::filesystem::rename(fixture / "new", fixture / "file");
  CHECK(fixture.read(before.handle, 0, 2 * kPage) == pattern(kPage, 1));
  CHECK(fixture.read_whole(fixture.node_of("file")) == pattern(2 * kPage, 2));
}

TEST_CASE("A view keeps its bytes after growth, release and a cleared cache", "[mapped]") {
  Fixture fixture;
  const std::string content = pattern(kPage, 1);
  write_file(fixture / "file", content);
  const auto opened = fixture.open(fixture.node_of("file"));
  std::vector<std::byte> scratch;
  const auto view = fixture.fs().read(opened.handle, 0, kPage, scratch);
  REQUIRE(view);
  append(fixture / "file", "more");
  fixture.read(opened.handle, 0, 2 * kPage);
  fixture.fs().release(opened.handle);
  fixture.cache().clear();
  CHECK(std::memcmp(view->bytes.data(), content.data(), kPage) == 0);
}

TEST_CASE("Bytes that a truncation took away are an error to who copies them guarded", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(2 * kPage, 1));
  const auto opened = fixture.open(fixture.node_of("file"));
  std::vector<std::byte> scratch;
  const auto view = fixture.fs().read(opened.handle, 0, 2 * kPage, scratch);
  REQUIRE(view);
  must(::truncate((fixture / "file").c_str(), 0), "truncate");
  std::vector<std::byte> copy(view->bytes.size());
  CHECK(errno_of(mmapdir::guarded_copy(copy, view->bytes)) == EIO);
}

TEST_CASE("All handles of a file share its mapping", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(kPage, 1));
  const NodeId node = fixture.node_of("file");
  const auto first = fixture.open(node);
  const auto second = fixture.open(node);
  fixture.read(first.handle, 0, 1);
  fixture.read(second.handle, 0, 1);
  fixture.fs().release(first.handle);
  fixture.read(second.handle, 0, 1);
  CHECK(fixture.cache().counters().misses == 1);
  CHECK(fixture.cache().counters().mappings == 1);
}

TEST_CASE("A file opened again finds its mapping in the cache", "[mapped]") {
  Fixture fixture;
  write_file(fixture / "file", pattern(kPage, 1));
  const NodeId node = fixture.node_of("file");
  fixture.read_whole(node);
  fixture.read_whole(node);
  CHECK(fixture.cache().counters().misses == 1);
  CHECK(fixture.cache().counters().hits == 1);
}

TEST_CASE("Where the mappings are used up, the same bytes are read plainly", "[mapped]") {
  Fixture fixture({.limits = {.max_mappings = 1, .max_bytes = std::uint64_t{1} << 30U}});
  write_file(fixture / "first", pattern(kPage, 1));
  write_file(fixture / "second", pattern(2 * kPage, 2));
  const auto first = fixture.open(fixture.node_of("first"));
  const auto second = fixture.open(fixture.node_of("second"));
  CHECK(fixture.read(first.handle, 0, kPage) == pattern(kPage, 1));
  CHECK(fixture.read(second.handle, 0, 4 * kPage) == pattern(2 * kPage, 2));
  CHECK(fixture.read(second.handle, kPage, 10) == pattern(2 * kPage, 2).substr(kPage, 10));
  CHECK(fixture.cache().counters().refusals > 0);
  CHECK(second.path == ReadPath::kMapped);

  // With the first one's end there is room again.
  fixture.fs().release(first.handle);
  std::vector<std::byte> scratch;
  const auto view = fixture.fs().read(second.handle, 0, kPage, scratch);
  REQUIRE(view);
  CHECK(view->owner);
}

TEST_CASE("A file longer than the address space granted is read plainly", "[mapped]") {
  Fixture fixture({.limits = {.max_mappings = 10, .max_bytes = kPage}});
  write_file(fixture / "file", pattern(3 * kPage, 1));
  CHECK(fixture.read_whole(fixture.node_of("file")) == pattern(3 * kPage, 1));
  CHECK(fixture.cache().counters().mappings == 0);
}

TEST_CASE("A file that outgrows the address space granted goes on plainly", "[mapped]") {
  Fixture fixture({.limits = {.max_mappings = 10, .max_bytes = 2 * kPage}});
  write_file(fixture / "file", pattern(kPage, 1));
  const auto opened = fixture.open(fixture.node_of("file"));
  CHECK(fixture.read(opened.handle, 0, kPage) == pattern(kPage, 1));
  append(fixture / "file", pattern(3 * kPage, 2));
  CHECK(fixture.read(opened.handle, 0, 10 * kPage) == pattern(kPage, 1) + pattern(3 * kPage, 2));
}

}  // namespace
}  // namespace mmapdirfs::test
