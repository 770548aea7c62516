// SPDX-License-Identifier: MIT
#include "mmapdir/file_slice.h"

#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>
#include <vector>

#include "scratch.h"
#include "system_call_spy.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::text_of;

class FileSliceTest {
 protected:
  FileSlice by_pread(std::string_view text) const {
    test::put_file(path_, text);
    return FileSlice::from_descriptor(test::open_file(path_, O_RDONLY).release(), text.size());
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  test::ScratchDirectory directory_;
  std::filesystem::path path_ = directory_ / "file";
};

TEST_CASE("a default slice is an empty file") {
  const FileSlice slice;
  CHECK(slice.length() == 0);
  CHECK(slice.read_all().value().empty());
  CHECK(slice.read_at(0, {}));
}

TEST_CASE("what is in memory is handed out without a copy") {
  const auto bytes = OwnedBytes::copy_of(bytes_of("0123456789"));
  const FileSlice slice(bytes);
  CHECK(slice.is_mapped());
  CHECK(slice.read_range({.offset = 3, .length = 2}).value().bytes().data() ==
        bytes.bytes().data() + 3);
}

TEST_CASE_METHOD(FileSliceTest, "a slice of a descriptor reads the file by pread") {
  const auto slice = by_pread("0123456789");
  CHECK_FALSE(slice.is_mapped());
  CHECK(slice.length() == 10);
  CHECK(text_of(slice.read_range({.offset = 3, .length = 4}).value()) == "3456");
  CHECK(text_of(slice.read_all().value()) == "0123456789");
}

TEST_CASE_METHOD(FileSliceTest, "a slice of a slice counts from its own beginning") {
  for (const auto& whole :
       {by_pread("0123456789"), FileSlice(OwnedBytes::copy_of(bytes_of("0123456789")))}) {
    const auto part = whole.slice({.offset = 2, .length = 6}).value();
    CHECK(part.length() == 6);
    CHECK(text_of(part.read_all().value()) == "234567");
    const auto inner = part.slice({.offset = 1, .length = 3}).value();
    CHECK(text_of(inner.read_range({.offset = 1, .length = 2}).value()) == "45");
    std::string text(2, '\0');
    REQUIRE(inner.read_at(1, std::as_writable_bytes(std::span(text))));
    CHECK(text == "45");
    CHECK_FALSE(part.slice({.offset = 1, .length = 6}));
    CHECK_FALSE(inner.read_range({.offset = 0, .length = 4}));
    CHECK_FALSE(inner.read_at(2, std::as_writable_bytes(std::span(text))));
  }
}

TEST_CASE_METHOD(FileSliceTest, "the descriptor is closed when the last copy and part is gone") {
  auto slice = std::make_unique<FileSlice>(by_pread("0123456789"));
  auto part = std::make_unique<FileSlice>(slice->slice({.offset = 1, .length = 1}).value());
  slice.reset();
  CHECK(test::open_descriptors_in(path()) == 1);
  part.reset();
  CHECK(test::open_descriptors_in(path()) == 0);
}

TEST_CASE_METHOD(FileSliceTest, "bytes read by pread are the caller's own") {
  const auto bytes = by_pread("old").read_all().value();
  test::put_file(path(), "new");
  CHECK(text_of(bytes) == "old");
}

TEST_CASE_METHOD(FileSliceTest, "reading by pread what was truncated is an error") {
  const auto slice = by_pread("0123456789");
  test::resize(path(), 4);
  CHECK(text_of(slice.read_range({.offset = 0, .length = 4}).value()) == "0123");
  CHECK(slice.read_range({.offset = 3, .length = 2}).error().code() == std::errc::io_error);
  CHECK(slice.read_all().error().code() == std::errc::io_error);
  std::vector<std::byte> buffer(5);
  CHECK(slice.read_at(0, buffer).error().code() == std::errc::io_error);
}

TEST_CASE_METHOD(FileSliceTest, "short and interrupted reads are completed") {
  const std::string text(1000, 'x');
  const auto slice = by_pread(text);
  const test::SystemCallSpy spy;
  test::SystemCallSpy::dribble(7);
  CHECK(text_of(slice.read_all().value()) == text);
}

TEST_CASE_METHOD(FileSliceTest, "a buffer that can't be had is an error and not an exception") {
  constexpr std::uint64_t kAbsurd = std::uint64_t{1} << 60U;
  const auto fd = test::open_file("/dev/zero", O_RDONLY);
  const auto slice = FileSlice::from_descriptor(::dup(fd.get()), kAbsurd);
  CHECK(slice.read_all().error().code() == std::errc::not_enough_memory);
}

}  // namespace
}  // namespace mmapdir
