// SPDX-License-Identifier: MIT
#include <atomic>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <utility>

#include "directory_contract.h"

namespace mmapdir {
namespace {

using test::bytes_of;
using test::relative;
using test::text_of;

std::string whole(const Directory& directory, const RelativePath& path) {
  return text_of(directory.open_read(path).value().read_all().value());
}

CONTRACT_TEST("a file created in parts appears whole, with its commit and not before") {
  // About the writer's buffer of 64 KiB, which readers of the file must not come to know of.
  constexpr std::size_t kBuffer = 65536;
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("a/b/file");
  auto writer = directory.create(path).value();
  std::string expected;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{0}, kBuffer - 2, std::size_t{1}, kBuffer - 1, kBuffer,
        std::size_t{3}, (3 * kBuffer) + 1, std::size_t{1}, kBuffer}) {
    const std::string part(size, static_cast<char>('a' + (expected.size() % 26)));
    REQUIRE(writer.append(bytes_of(part)));
    expected += part;
    CHECK_FALSE(directory.exists(path).value());
  }
  CHECK(directory.list_files(relative("a/b")).value().empty());
  REQUIRE(writer.commit());
  CHECK(whole(directory, path) == expected);
  CHECK(directory.list_files(relative("a/b")).value() == std::vector{path});
}

CONTRACT_TEST("a writer that nothing was appended to commits an empty file") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.create(relative("file")).value().commit());
  CHECK(directory.file_size(relative("file")).value() == 0);
}

CONTRACT_TEST("a writer that is dropped changes nothing") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("file"), bytes_of("old")));
  for (const auto* const name : {"file", "other"}) {
    auto writer = directory.create(relative(name)).value();
    REQUIRE(writer.append(bytes_of("new")));
    REQUIRE(writer.append(bytes_of(std::string(100'000, 'x'))));
  }
  CHECK(whole(directory, relative("file")) == "old");
  CHECK(directory.list_files({}).value() == relative({"file"}));
}

CONTRACT_TEST("a commit replaces the file and leaves open ones what they were") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  REQUIRE(directory.write(path, bytes_of("old")));
  const auto old = directory.open_read(path).value();
  auto writer = directory.create(path).value();
  REQUIRE(writer.append(bytes_of("newer")));
  CHECK(whole(directory, path) == "old");
  REQUIRE(writer.commit());
  CHECK(whole(directory, path) == "newer");
  CHECK(text_of(old.read_all().value()) == "old");
}

CONTRACT_TEST("of two writers to one path each commit replaces the whole file") {
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("file");
  auto first = directory.create(path).value();
  auto second = directory.create(path).value();
  REQUIRE(first.append(bytes_of("fir")));
  REQUIRE(second.append(bytes_of("second")));
  REQUIRE(first.append(bytes_of("st")));
  REQUIRE(second.commit());
  CHECK(whole(directory, path) == "second");
  REQUIRE(first.commit());
  CHECK(whole(directory, path) == "first");
}

CONTRACT_TEST("a writer is spent after its commit and after being moved from") {
  TestType fixture;
  auto& directory = fixture.directory();
  auto writer = directory.create(relative("file")).value();
  REQUIRE(writer.append(bytes_of("te")));
  auto moved = std::move(writer);
  REQUIRE(moved.append(bytes_of("xt")));
  REQUIRE(moved.commit());
  for (auto* const spent : {&writer, &moved}) {  // NOLINT(bugprone-use-after-move): what is tested
    CHECK(spent->append(bytes_of("more")).error().code() == std::errc::bad_file_descriptor);
    CHECK(spent->commit().error().code() == std::errc::bad_file_descriptor);
  }
  CHECK(whole(directory, relative("file")) == "text");
  writer = directory.create(relative("file")).value();
  REQUIRE(writer.append(bytes_of("again")));
  REQUIRE(writer.commit());
  CHECK(whole(directory, relative("file")) == "again");
}

CONTRACT_TEST("a writer outlives the directory that it came from") {
  TestType fixture;
  auto directory = fixture.another();
  auto writer = directory->create(relative("file")).value();
  REQUIRE(writer.append(bytes_of("te")));
  directory.reset();
  REQUIRE(writer.append(bytes_of("xt")));
  REQUIRE(writer.commit());
  CHECK(whole(fixture.directory(), relative("file")) == "text");
}

CONTRACT_TEST("no writer is had for what can't be a file") {
  TestType fixture;
  auto& directory = fixture.directory();
  REQUIRE(directory.write(relative("dir/file"), bytes_of("text")));
  const auto failure = [&](std::string_view path) {
    return directory.create(relative(path)).error().code();
  };
  CHECK(failure("dir") == std::errc::is_a_directory);
  CHECK(failure("") == std::errc::is_a_directory);
  CHECK(failure("dir/file/below") == std::errc::not_a_directory);
  CHECK(failure("dir/file/a/b") == std::errc::not_a_directory);
  CHECK(failure(".mmapdir-tmp-0") == std::errc::invalid_argument);
}

CONTRACT_TEST("a commit to what has become a directory fails, each time, and changes nothing") {
  TestType fixture;
  auto& directory = fixture.directory();
  auto writer = directory.create(relative("name")).value();
  REQUIRE(writer.append(bytes_of("text")));
  fixture.make_directory(relative("name"));
  CHECK(writer.commit().error().code() == std::errc::is_a_directory);
  CHECK(writer.commit().error().code() == std::errc::is_a_directory);
  CHECK(writer.append(bytes_of("text")).error().code() == std::errc::is_a_directory);
  CHECK(directory.list_files(relative("name")).value().empty());
  CHECK(directory.list_files({}).value().empty());
}

CONTRACT_TEST("sync succeeds after a commit, after a drop and while a writer is open") {
  TestType fixture;
  auto& directory = fixture.directory();
  auto writer = directory.create(relative("a/file")).value();
  CHECK(directory.sync());
  REQUIRE(writer.append(bytes_of("text")));
  REQUIRE(writer.commit());
  CHECK(directory.sync());
  CHECK(directory.create(relative("a/dropped")));
  CHECK(directory.sync());
}

CONTRACT_TEST("threads with writers of their own to one path never make a mixture") {
  constexpr int kThreads = 4;
  constexpr int kCommits = 10;
  constexpr std::size_t kPart = 30'000;
  constexpr std::size_t kParts = 4;
  TestType fixture;
  auto& directory = fixture.directory();
  const auto path = relative("dir/file");
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, part = std::string(kPart, static_cast<char>('a' + thread))] {
        for (int commit = 0; commit < kCommits; ++commit) {
          auto writer = directory.create(path).value();
          for (std::size_t i = 0; i < kParts; ++i) {
            failures += writer.append(bytes_of(part)) ? 0 : 1;
          }
          failures += writer.commit() ? 0 : 1;
          const auto text = whole(directory, path);
          failures += text == std::string(kParts * kPart, text.front()) ? 0 : 1;
        }
      });
    }
  }
  CHECK(failures == 0);
  CHECK(directory.list_files(relative("dir")).value() == std::vector{path});
  CHECK(directory.sync());
}

}  // namespace
}  // namespace mmapdir
