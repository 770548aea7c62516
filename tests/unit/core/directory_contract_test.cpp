// SPDX-License-Identifier: MIT
#include "directory_contract.h"

#include <array>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <climits>
#include <limits>

namespace mmapdir {
namespace {

using test::bytes_of;
using test::relative;
using test::text_of;

std::string whole(const Directory& directory, const RelativePath& path) {
  return text_of(directory.open_read(path).value().read_all().value());
}

// The code with which each method that reads a file fails; they have to agree.
std::error_code failure_to_read(const Directory& directory, const RelativePath& path) {
  const auto code = directory.open_read(path).error().code();
  CHECK(directory.file_size(path).error().code() == code);
  CHECK(directory.open_lazy(path).error().code() == code);
  CHECK(directory.read_range(path, {}).error().code() == code);
  return code;
}

CONTRACT_TEST("every reader gives the bytes that were written") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("0123456789")));
  CHECK(directory.exists(path).value());
  CHECK(directory.file_size(path).value() == 10);
  CHECK(whole(directory, path) == "0123456789");
  CHECK(text_of(directory.read_range(path, {.offset = 3, .length = 4}).value()) == "3456");
  const auto lazy = directory.open_lazy(path).value();
  CHECK(lazy.length() == 10);
  CHECK(text_of(lazy.read_range({.offset = 3, .length = 4}).value()) == "3456");
  std::string buffer(4, '\0');
  REQUIRE(directory.open_read(path).value().read_at(6, std::as_writable_bytes(std::span(buffer))));
  CHECK(buffer == "6789");
}

CONTRACT_TEST("an empty file is a file") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("empty");
  REQUIRE(directory.write(path, {}));
  CHECK(directory.exists(path).value());
  CHECK(directory.file_size(path).value() == 0);
  CHECK(whole(directory, path).empty());
  CHECK(directory.read_range(path, {}).value().empty());
  CHECK_FALSE(directory.read_range(path, {.offset = 0, .length = 1}));
  CHECK(directory.open_lazy(path).value().file().length() == 0);
}

CONTRACT_TEST("a range within the file is read and any other is an error") {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("0123456789")));
  CHECK(directory.read_range(path, {.offset = 10, .length = 0}).value().empty());
  for (const auto range :
       {ByteRange{.offset = 0, .length = 11}, ByteRange{.offset = 11, .length = 0},
        ByteRange{.offset = kMax, .length = 1}, ByteRange{.offset = 1, .length = kMax},
        ByteRange{.offset = kMax, .length = kMax}}) {
    CAPTURE(range.offset, range.length);
    CHECK(directory.read_range(path, range).error().code() == std::errc::invalid_argument);
    CHECK(directory.open_lazy(path).value().read_range(range).error().code() ==
          std::errc::invalid_argument);
  }
  std::array<std::byte, 4> buffer{};
  CHECK(directory.open_read(path).value().read_at(kMax, buffer).error().code() ==
        std::errc::invalid_argument);
}

CONTRACT_TEST("an open slice stays what it was when its file is replaced or removed") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("old")));
  const auto slice = directory.open_read(path).value();
  const auto lazy = directory.open_lazy(path).value();
  REQUIRE(directory.write(path, bytes_of("newer")));
  CHECK(whole(directory, path) == "newer");
  REQUIRE(directory.remove(path));
  CHECK(text_of(slice.read_all().value()) == "old");
  CHECK(text_of(lazy.file().read_all().value()) == "old");
}

CONTRACT_TEST("what was read outlives the directory that it was read from") {
  TestType fixture;
  REQUIRE(fixture.directory().write(relative("file"), bytes_of("text")));
  auto directory = fixture.another();
  const auto slice = directory->open_read(relative("file")).value();
  const auto bytes = directory->read_range(relative("file"), {.offset = 1, .length = 2}).value();
  const auto lazy = directory->open_lazy(relative("file")).value();
  directory.reset();
  CHECK(text_of(slice.read_all().value()) == "text");
  CHECK(text_of(bytes) == "ex");
  CHECK(text_of(lazy.file().read_all().value()) == "text");
}

CONTRACT_TEST("only files exist") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("dir/file"), bytes_of("text")));
  CHECK(directory.exists(relative("dir/file")).value());
  CHECK_FALSE(directory.exists(relative("dir")).value());
  CHECK_FALSE(directory.exists(relative("")).value());
  CHECK_FALSE(directory.exists(relative("missing")).value());
  CHECK_FALSE(directory.exists(relative("dir/file/below")).value());
}

CONTRACT_TEST("each reader says in the same words why it can't") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("dir/file"), bytes_of("text")));
  CHECK(failure_to_read(directory, relative("missing")) == std::errc::no_such_file_or_directory);
  CHECK(failure_to_read(directory, relative("no/file")) == std::errc::no_such_file_or_directory);
  CHECK(failure_to_read(directory, relative("dir/file/below")) == std::errc::not_a_directory);
  CHECK(failure_to_read(directory, relative("dir")) == std::errc::is_a_directory);
  CHECK(failure_to_read(directory, relative("")) == std::errc::is_a_directory);
}

CONTRACT_TEST("a listing has a directory's own files, sorted, as paths from the root") {
  TestType fixture;
  auto& directory = fixture.directory();
  for (const auto* const name : {"b", "a", "dir/z", "dir/y", "dir/deeper/x"}) {
    REQUIRE(directory.write(relative(name), bytes_of("text")));
  }
  fixture.make_directory(relative("empty"));
  CHECK(directory.list_files({}).value() == relative({"a", "b"}));
  CHECK(directory.list_files(relative("dir")).value() == relative({"dir/y", "dir/z"}));
  CHECK(directory.list_files(relative("empty")).value().empty());
  CHECK(directory.list_files(relative("missing")).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(directory.list_files(relative("a")).error().code() == std::errc::not_a_directory);
}

CONTRACT_TEST("names may be of any bytes and 255 of them") {
  TestType fixture;
  auto& directory = fixture.directory();
  for (const auto& name : {std::string("with space"), std::string("new\nline"),
                           std::string("\xff\xfe"), std::string(255, 'x'), std::string("...")}) {
    const auto path = relative(name);
    REQUIRE(directory.write(path, bytes_of(name)));
    CHECK(whole(directory, path) == name);
  }
  CHECK(directory.list_files({}).value().size() == 5);
}

CONTRACT_TEST("a path longer than PATH_MAX is as good as another") {
  TestType fixture;
  auto& directory = fixture.directory();
  std::string text = "start";
  while (text.size() < std::size_t{2} * PATH_MAX) {
    text.append("/").append(200, 'x');
  }
  const auto path = relative(text);
  REQUIRE(directory.write(path, bytes_of("text")));
  CHECK(whole(directory, path) == "text");
  CHECK(directory.list_files(path.parent()).value() == std::vector{path});
  REQUIRE(directory.rename(path, relative("short")));
  CHECK_FALSE(directory.exists(path).value());
  CHECK(whole(directory, relative("short")) == "text");
}

CONTRACT_TEST("clearing the cache changes no result, open slices included") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("text")));
  const auto slice = directory.open_read(path).value();
  directory.clear_cache();
  CHECK(text_of(slice.read_all().value()) == "text");
  CHECK(whole(directory, path) == "text");
}

}  // namespace
}  // namespace mmapdir
