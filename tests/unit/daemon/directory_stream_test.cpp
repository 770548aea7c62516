// SPDX-License-Identifier: MIT
#include "fs/directory_stream.h"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <set>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

// The next name and, in `cookie`, where to go on; empty at the end.
std::string take(DirectoryStream& stream, std::uint64_t& cookie) {
  const auto entry = stream.next(cookie);
  REQUIRE(errno_of(entry) == 0);
  if (*entry == nullptr) {
    return {};
  }
  cookie = (*entry)->next;
  return (*entry)->name;
}

TEST_CASE("An entry that found no room is given again at its own cookie", "[stream]") {
  const TemporaryDirectory directory;
  write_file(directory / "file", "");
  DirectoryStream stream(open_directory(directory.path()));
  std::uint64_t cookie = 0;
  std::set<std::string> seen;
  for (;;) {
    std::uint64_t same = cookie;
    const std::string name = take(stream, same);
    CHECK(take(stream, cookie) == name);
    CHECK(same == cookie);
    if (name.empty()) {
      break;
    }
    CHECK(seen.insert(name).second);
  }
  CHECK(seen == std::set<std::string>{".", "..", "file"});
}

TEST_CASE("From the beginning means afresh, also right after the first entry", "[stream]") {
  const TemporaryDirectory directory;
  DirectoryStream stream(open_directory(directory.path()));
  std::uint64_t cookie = 0;
  take(stream, cookie);
  write_file(directory / "new", "");
  std::set<std::string> seen;
  cookie = 0;
  for (auto name = take(stream, cookie); !name.empty(); name = take(stream, cookie)) {
    seen.insert(name);
  }
  CHECK(seen == std::set<std::string>{".", "..", "new"});
}

TEST_CASE("A place that the directory doesn't have any more is its end", "[stream]") {
  const TemporaryDirectory directory;
  DirectoryStream stream(open_directory(directory.path()));
  const auto entry = stream.next(std::uint64_t{1} << 63U);
  REQUIRE(errno_of(entry) == 0);
  CHECK(*entry == nullptr);
  std::uint64_t cookie = 0;
  CHECK(!take(stream, cookie).empty());
}

TEST_CASE("Going back to an earlier cookie gives the names after it", "[stream]") {
  const TemporaryDirectory directory;
  for (int i = 0; i < 10; ++i) {
    write_file(directory / std::to_string(i), "");
  }
  DirectoryStream stream(open_directory(directory.path()));
  std::vector<std::pair<std::uint64_t, std::string>> order;  // the cookie before each name
  std::uint64_t cookie = 0;
  for (std::uint64_t before = 0;; before = cookie) {
    const std::string name = take(stream, cookie);
    if (name.empty()) {
      break;
    }
    order.emplace_back(before, name);
  }
  REQUIRE(order.size() == 12);
  for (const std::size_t index : {7U, 3U, 11U, 0U, 5U}) {
    std::uint64_t from = order[index].first;
    CHECK(take(stream, from) == order[index].second);
  }
}

TEST_CASE("A descriptor that can't be listed gives its errno", "[stream]") {
  const TemporaryDirectory directory;
  write_file(directory / "file", "");
  DirectoryStream closed{UniqueFd()};
  CHECK(errno_of(closed.next(0)) == EBADF);
  DirectoryStream file(open_fd(directory / "file", 0));
  CHECK(errno_of(file.next(0)) == ENOTDIR);
}

}  // namespace
}  // namespace mmapdirfs::test
