// SPDX-License-Identifier: MIT
// A source across file systems, and our own mount seen through the source.

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <set>

#include "fs/inode_numbers.h"
#include "support/kernel_mount.h"
#include "support/requirements.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using mmapdir::test::KernelMount;

constexpr dev_t kRootDevice = 0x801;

TEST_CASE("On the root's device inode numbers are the source's own", "[devices]") {
  InodeNumbers numbers(kRootDevice);
  for (const std::uint64_t inode : {std::uint64_t{1}, std::uint64_t{1} << 50U, ~std::uint64_t{0}}) {
    CHECK(numbers.shown(kRootDevice, inode) == inode);
  }
}

TEST_CASE("One inode number on several devices is shown as several", "[devices]") {
  InodeNumbers numbers(kRootDevice);
  std::set<std::uint64_t> shown;
  for (dev_t device = kRootDevice; device < kRootDevice + 100; ++device) {
    CHECK(shown.insert(numbers.shown(device, 42)).second);
  }
}

TEST_CASE("A file's number stays what it was first shown as", "[devices]") {
  InodeNumbers numbers(kRootDevice);
  const auto first = numbers.shown(5, 42);
  const auto second = numbers.shown(6, 42);
  CHECK(numbers.shown(5, 42) == first);
  CHECK(numbers.shown(6, 42) == second);
  CHECK(numbers.shown(5, 43) != first);
}

TEST_CASE("Numbers too large for 48 bits are shown apart as well", "[devices]") {
  InodeNumbers numbers(kRootDevice);
  constexpr std::uint64_t kLarge = (std::uint64_t{1} << 48U) + 1;
  std::set<std::uint64_t> shown;
  for (const dev_t device : {5U, 6U, 7U}) {
    for (const std::uint64_t inode : {kLarge, kLarge + 1, ~std::uint64_t{0}, std::uint64_t{1}}) {
      CHECK(shown.insert(numbers.shown(device, inode)).second);
    }
  }
  CHECK(numbers.shown(5, kLarge) == numbers.shown(5, kLarge));
}

TEST_CASE("More devices than fit into the index are shown apart as well", "[devices]") {
  InodeNumbers numbers(kRootDevice);
  std::set<std::uint64_t> shown;
  for (dev_t device = 1; device <= 70'000; ++device) {
    shown.insert(numbers.shown(device + 0x10000, 42));
  }
  CHECK(shown.size() == 70'000);
}

// Two empty file systems inside the source, whose inode numbers are the same.
struct AcrossFileSystems {
  explicit AcrossFileSystems(const FixtureOptions& options = {}) : fixture(options) {
    for (const char* part : {"first", "second"}) {
      write_file(fixture / part / "file", part);
    }
  }

  std::filesystem::path made(const char* name) const {
    mmapdir::test::require_root();  // to mount
    std::filesystem::create_directory(fixture / name);
    return fixture / name;
  }

  Fixture fixture;
  KernelMount first = KernelMount::tmpfs(made("first"));
  KernelMount second = KernelMount::tmpfs(made("second"));
};

TEST_CASE("Files of two file systems in the source are found and told apart", "[devices]") {
  AcrossFileSystems source({.cached_descriptors = 1, .reaching = each_reaching()});
  Fixture& fixture = source.fixture;
  const Entry first = fixture.look_up("first/file");
  const Entry second = fixture.look_up("second/file");
  struct stat on_first{};
  struct stat on_second{};
  must(::stat((fixture / "first/file").c_str(), &on_first), "stat");
  must(::stat((fixture / "second/file").c_str(), &on_second), "stat");
  CHECK(first.node != second.node);
  if (on_first.st_ino == on_second.st_ino) {
    CHECK(first.attributes.stx_ino != second.attributes.stx_ino);
  }
  CHECK(fixture.read_whole(first.node) == "first");
  CHECK(fixture.read_whole(second.node) == "second");
}

TEST_CASE("Lookup, getattr and both listings show one inode number of a file", "[devices]") {
  AcrossFileSystems source;
  Fixture& fixture = source.fixture;
  const NodeId directory = fixture.node_of("second");
  const Entry entry = fixture.look_up("second/file");
  const auto attributes = fixture.fs().getattr(entry.node);
  REQUIRE(attributes);
  CHECK(attributes->stx_ino == entry.attributes.stx_ino);
  const auto handle = fixture.fs().opendir(directory);
  REQUIRE(handle);
  RecordingSink names;
  REQUIRE(fixture.fs().readdir(*handle, 0, names));
  CHECK(find_line(names.lines(), "file")->inode == entry.attributes.stx_ino);
  RecordingSink entries;
  REQUIRE(fixture.fs().readdirplus(directory, *handle, 0, entries));
  CHECK(find_line(entries.lines(), "file")->inode == entry.attributes.stx_ino);
}

TEST_CASE("A refused device can't be entered, but its name is listed", "[devices]") {
  AcrossFileSystems source;
  Fixture& fixture = source.fixture;
  struct stat refused{};
  must(::stat((fixture / "first").c_str(), &refused), "stat");
  fixture.fs().refuse_device(refused.st_dev);
  CHECK(errno_of(fixture.fs().lookup(kRootNode, "first")) == ELOOP);
  CHECK(errno_of(fixture.fs().lookup(kRootNode, "second")) == 0);
  const auto lines = fixture.list_plus(fixture.open_root());
  REQUIRE(find_line(lines, "first"));
  CHECK_FALSE(find_line(lines, "first")->entry);
  CHECK(find_line(lines, "second")->entry);
}

}  // namespace
}  // namespace mmapdirfs::test
