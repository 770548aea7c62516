// SPDX-License-Identifier: MIT
#include <atomic>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "directory_contract.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::relative;
using test::text_of;

std::string whole(const Directory& directory, const RelativePath& path) {
  return text_of(directory.open_read(path).value().read_all().value());
}

CONTRACT_TEST("writing makes the missing directories on the way") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a/b/c/file"), bytes_of("text")));
  CHECK(whole(directory, relative("a/b/c/file")) == "text");
  REQUIRE(directory.write(relative("a/b/other"), bytes_of("more")));
  CHECK(directory.list_files(relative("a/b")).value() == relative({"a/b/other"}));
}

CONTRACT_TEST("writing replaces what the file was, longer or shorter") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  for (const auto* const text : {"a long text", "short", "", "longest of all"}) {
    REQUIRE(directory.write(path, bytes_of(text)));
    CHECK(whole(directory, path) == text);
  }
}

CONTRACT_TEST("a directory is neither written to nor removed nor renamed") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("dir/file"), bytes_of("text")));
  REQUIRE(directory.write(relative("file"), bytes_of("text")));
  for (const auto& path : {relative("dir"), relative("")}) {
    CHECK(directory.write(path, {}).error().code() == std::errc::is_a_directory);
    CHECK(directory.remove(path).error().code() == std::errc::is_a_directory);
    CHECK(directory.rename(path, relative("x")).error().code() == std::errc::is_a_directory);
    CHECK(directory.rename(relative("file"), path).error().code() == std::errc::is_a_directory);
  }
  CHECK(directory.list_files({}).value() == relative({"file"}));
  CHECK(whole(directory, relative("dir/file")) == "text");
}

CONTRACT_TEST("nothing is written, removed or renamed below a file") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("file"), bytes_of("text")));
  const auto below = relative("file/below");
  CHECK(directory.write(below, {}).error().code() == std::errc::not_a_directory);
  CHECK(directory.write(relative("file/a/b"), {}).error().code() == std::errc::not_a_directory);
  CHECK(directory.remove(below).error().code() == std::errc::not_a_directory);
  CHECK(directory.rename(below, relative("x")).error().code() == std::errc::not_a_directory);
  CHECK(directory.rename(relative("file"), below).error().code() == std::errc::not_a_directory);
  CHECK(whole(directory, relative("file")) == "text");
}

CONTRACT_TEST("a removed file is gone and can't be removed again") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("text")));
  REQUIRE(directory.remove(path));
  CHECK_FALSE(directory.exists(path).value());
  CHECK(directory.list_files({}).value().empty());
  CHECK(directory.remove(path).error().code() == std::errc::no_such_file_or_directory);
}

CONTRACT_TEST("renaming moves a file and replaces what had the name") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a"), bytes_of("new")));
  REQUIRE(directory.write(relative("dir/b"), bytes_of("old")));
  const auto old = directory.open_read(relative("dir/b")).value();
  REQUIRE(directory.rename(relative("a"), relative("dir/b")));
  CHECK(whole(directory, relative("dir/b")) == "new");
  CHECK_FALSE(directory.exists(relative("a")).value());
  CHECK(text_of(old.read_all().value()) == "old");
}

CONTRACT_TEST("renaming a file to its own name changes nothing") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a"), bytes_of("text")));
  REQUIRE(directory.rename(relative("a"), relative("a")));
  CHECK(whole(directory, relative("a")) == "text");
}

CONTRACT_TEST("renaming from or into nowhere is an error and changes nothing") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a"), bytes_of("text")));
  CHECK(directory.rename(relative("missing"), relative("a")).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(directory.rename(relative("a"), relative("missing/a")).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(whole(directory, relative("a")) == "text");
}

CONTRACT_TEST("a link is a further name of the file, and stays when the first is replaced") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a"), bytes_of("text")));
  REQUIRE(directory.write(relative("dir/other"), {}));
  REQUIRE(directory.link(relative("a"), relative("dir/b")));
  CHECK(whole(directory, relative("dir/b")) == "text");
  REQUIRE(directory.write(relative("a"), bytes_of("new")));
  CHECK(whole(directory, relative("dir/b")) == "text");
  REQUIRE(directory.remove(relative("a")));
  CHECK(whole(directory, relative("dir/b")) == "text");
  CHECK(directory.sync());
}

CONTRACT_TEST("linking replaces nothing, links no directory and makes none") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("a"), bytes_of("a")));
  REQUIRE(directory.write(relative("dir/b"), bytes_of("b")));
  const auto failure = [&](std::string_view from, std::string_view to) {
    return directory.link(relative(from), relative(to)).error().code();
  };
  CHECK(failure("a", "dir/b") == std::errc::file_exists);
  CHECK(failure("a", "a") == std::errc::file_exists);
  CHECK(failure("a", "dir") == std::errc::file_exists);
  CHECK(failure("a", "") == std::errc::is_a_directory);
  CHECK(failure("dir", "x") == std::errc::is_a_directory);
  CHECK(failure("", "x") == std::errc::is_a_directory);
  CHECK(failure("missing", "x") == std::errc::no_such_file_or_directory);
  CHECK(failure("a", "missing/x") == std::errc::no_such_file_or_directory);
  CHECK(failure("a/below", "x") == std::errc::not_a_directory);
  CHECK(failure("a", "dir/b/below") == std::errc::not_a_directory);
  CHECK(directory.list_files({}).value() == relative({"a"}));
  CHECK(whole(directory, relative("dir/b")) == "b");
}

CONTRACT_TEST("names kept for files in the making are refused") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("file"), bytes_of("text")));
  const auto reserved = relative(".mmapdir-tmp-0");
  CHECK(directory.write(reserved, {}).error().code() == std::errc::invalid_argument);
  CHECK(directory.remove(reserved).error().code() == std::errc::invalid_argument);
  CHECK(directory.rename(relative("file"), reserved).error().code() == std::errc::invalid_argument);
  CHECK(directory.rename(reserved, relative("file")).error().code() == std::errc::invalid_argument);
  CHECK(directory.link(relative("file"), reserved).error().code() == std::errc::invalid_argument);
  CHECK(directory.link(reserved, relative("x")).error().code() == std::errc::invalid_argument);
}

CONTRACT_TEST("sync succeeds after every kind of change, after none, and twice") {
  TestType fixture;
  auto& directory = fixture.directory();
  CHECK(directory.sync());
  REQUIRE(directory.write(relative("a/b/c"), bytes_of("text")));
  REQUIRE(directory.rename(relative("a/b/c"), relative("a/d")));
  REQUIRE(directory.remove(relative("a/d")));
  CHECK(directory.sync());
  CHECK(directory.sync());
}

CONTRACT_TEST("a reader sees one version or another of a file that is being replaced") {
  constexpr int kVersions = 50;
  constexpr std::size_t kSize = 20000;
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of(std::string(kSize, 'a'))));
  std::atomic<bool> done = false;
  int torn = 0;
  {
    const std::jthread reader([&] {
      while (!done) {
        const auto text = whole(directory, path);
        torn += text != std::string(kSize, text.front());
      }
    });
    for (int version = 0; version < kVersions; ++version) {
      const std::string text(kSize, static_cast<char>('a' + (version % 26)));
      CHECK(directory.write(path, bytes_of(text)));
    }
    done = true;
  }
  CHECK(torn == 0);
  CHECK(directory.list_files({}).value() == std::vector{path});
}

}  // namespace
}  // namespace mmapdir
