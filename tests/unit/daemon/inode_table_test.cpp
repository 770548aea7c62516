// SPDX-License-Identifier: MIT
#include "fs/inode_table.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support/requirements.h"
#include "unit/daemon/credentials.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using mmapdir::test::require_root;

constexpr NodeId kUnknownNode{123456};

// A table over a temporary directory with one file, "file".
class Table {
 public:
  explicit Table(std::size_t descriptors = 16, Reaching reaching = Reaching::kByHandle,
                 const InodeTable::Memory& memory = {}) {
    write_file(directory_ / "file", "bytes");
    const auto open = [&] {
      auto source = Source::open(open_directory(directory_.path()));
      if (source) {
        source_ = std::make_unique<Source>(std::move(*source));
      }
    };
    if (reaching == Reaching::kByHandle) {
      open();
    } else {
      without_capability(CAP_DAC_READ_SEARCH, open);
    }
    REQUIRE(source_);
    const auto root = Source::attributes(source_->root()->get());
    REQUIRE(root);
    inodes_ = std::make_unique<InodeTable>(*source_, *root, descriptors,
                                           std::numeric_limits<int>::max(), memory);
  }

  InodeTable& inodes() { return *inodes_; }
  std::filesystem::path operator/(std::string_view name) const { return directory_ / name; }
  const std::filesystem::path& path() const { return directory_.path(); }

  Entry entry_of(const char* name) {
    const auto entry = inodes_->lookup(kRootNode, source_->root()->get(), name);
    REQUIRE(errno_of(entry) == 0);
    return *entry;
  }
  NodeId look_up(const char* name) { return entry_of(name).node; }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<InodeTable> inodes_;
};

// The file's handle, as the kernel's events have it: its type, then its bytes.
std::string handle_of(const std::filesystem::path& path) {
  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> storage{};
  auto* handle = reinterpret_cast<file_handle*>(storage.data());
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = -1;
  if (::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0) != 0 && errno == EOPNOTSUPP) {
    mmapdir::test::skip("the file system of " + path.string() + " has no file handles");
  }
  std::string result(sizeof handle->handle_type, '\0');
  std::memcpy(result.data(), &handle->handle_type, result.size());
  return result.append(reinterpret_cast<const char*>(handle->f_handle), handle->handle_bytes);
}

TEST_CASE("The table begins with the root alone, which is always reached", "[inodes]") {
  Table table;
  CHECK(table.inodes().size() == 1);
  CHECK(errno_of(table.inodes().reach(kRootNode)) == 0);
  table.inodes().forget(kRootNode, 1);
  CHECK(errno_of(table.inodes().reach(kRootNode)) == 0);
}

TEST_CASE("A record lasts as long as lookups are left", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK(table.look_up("file") == node);
  CHECK(table.inodes().size() == 2);
  table.inodes().forget(node, 1);
  CHECK(table.inodes().size() == 2);
  table.inodes().forget(node, 1);
  CHECK(table.inodes().size() == 1);
}

TEST_CASE("A reached inode is the file that was looked up", "[inodes]") {
  Table table(1);
  const NodeId node = table.look_up("file");
  const auto fd = table.inodes().reach(node);
  REQUIRE(fd);
  CHECK(Source::attributes((*fd)->get()).value().stx_size == 5);
}

TEST_CASE("A reached descriptor outlives the forgetting of its inode", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  const auto fd = table.inodes().reach(node);
  REQUIRE(fd);
  table.inodes().forget(node, 1);
  CHECK(errno_of(Source::attributes((*fd)->get())) == 0);
  CHECK(errno_of(table.inodes().reach(node)) == ESTALE);
}

TEST_CASE("A table asked to keep no descriptor works all the same", "[inodes]") {
  Table table(0);
  const NodeId node = table.look_up("file");
  CHECK(errno_of(table.inodes().reach(node)) == 0);
}

TEST_CASE("What was found by a name was named, also if the name went before it was looked at",
          "[inodes]") {
  Table table;
  const TemporaryDirectory directory;
  const UniqueFd file = open_fd(directory / "file", O_RDWR | O_CREAT);
  std::filesystem::remove(directory / "file");
  const auto entry = table.inodes().adopt(kRootNode, file.get(), "file");
  REQUIRE(errno_of(entry) == 0);
  CHECK(table.inodes().named_at(entry->node) != 0);
}

TEST_CASE("What was made without a name was never named", "[inodes]") {
  Table table;
  const TemporaryDirectory directory;
  const UniqueFd file = open_fd(directory / "file", O_RDWR | O_CREAT);
  const auto entry = table.inodes().adopt(kRootNode, file.get(), "");
  REQUIRE(errno_of(entry) == 0);
  CHECK(table.inodes().named_at(entry->node) == 0);
}

TEST_CASE("A version is the same only if it was the last one told", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK_FALSE(table.inodes().exchange_version(node, 1));
  CHECK(table.inodes().exchange_version(node, 1));
  CHECK_FALSE(table.inodes().exchange_version(node, 2));
  CHECK_FALSE(table.inodes().exchange_version(node, 1));
  CHECK(table.inodes().exchange_version(node, 1));
}

TEST_CASE("Zero is no version and equals nothing", "[inodes]") {
  Table table;
  const NodeId node = table.look_up("file");
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 5));
  CHECK_FALSE(table.inodes().exchange_version(node, 0));
  CHECK_FALSE(table.inodes().exchange_version(node, 5));
}

TEST_CASE("An unknown inode has no version", "[inodes]") {
  Table table;
  CHECK_FALSE(table.inodes().exchange_version(kUnknownNode, 1));
  CHECK_FALSE(table.inodes().exchange_version(kUnknownNode, 1));
}

TEST_CASE("A known file is found by its handle, whatever it is called", "[inodes]") {
  Table table(16, each_reaching());
  const std::string handle = handle_of(table / "file");
  CHECK(table.inodes().find(handle).empty());
  const NodeId node = table.look_up("file");
  CHECK(table.inodes().find(handle) == std::vector{node});
  must(::rename((table / "file").c_str(), (table / "renamed").c_str()), "rename");
  must(::link((table / "renamed").c_str(), (table / "linked").c_str()), "link");
  CHECK(table.look_up("linked") == node);
  CHECK(table.inodes().find(handle) == std::vector{node});
  table.inodes().forget(node, 2);
  CHECK(table.inodes().find(handle).empty());
}

TEST_CASE("The root is found by its handle", "[inodes]") {
  Table table(16, each_reaching());
  CHECK(table.inodes().find(handle_of(table.path())) == std::vector{kRootNode});
}

TEST_CASE("Each of two files is found by its own handle", "[inodes]") {
  Table table(16, each_reaching());
  write_file(table / "other", "");
  const NodeId file = table.look_up("file");
  const NodeId other = table.look_up("other");
  CHECK(table.inodes().find(handle_of(table / "file")) == std::vector{file});
  CHECK(table.inodes().find(handle_of(table / "other")) == std::vector{other});
}

TEST_CASE("An inode is watched from when it is set until it is unset or forgotten", "[inodes]") {
  Table table;
  NodeId node = table.look_up("file");
  CHECK_FALSE(table.inodes().is_watched(node));
  table.inodes().set_watched(node, true);
  CHECK(table.inodes().is_watched(node));
  CHECK(table.entry_of("file").is_watched);

  SECTION("unset") { table.inodes().set_watched(node, false); }
  SECTION("forgotten") {
    table.inodes().forget(node, 2);
    CHECK_FALSE(table.inodes().is_watched(node));
    node = table.look_up("file");
  }
  CHECK_FALSE(table.inodes().is_watched(node));
  CHECK_FALSE(table.entry_of("file").is_watched);
}

TEST_CASE("A lookup tells whether its directory is watched", "[inodes]") {
  Table table;
  CHECK_FALSE(table.entry_of("file").parent_watched);
  table.inodes().set_watched(kRootNode, true);
  CHECK(table.entry_of("file").parent_watched);
  CHECK_FALSE(table.entry_of("file").is_watched);
}

TEST_CASE("An unknown node isn't watched, also when it is set", "[inodes]") {
  Table table;
  table.inodes().set_watched(kUnknownNode, true);
  CHECK_FALSE(table.inodes().is_watched(kUnknownNode));
}

TEST_CASE("All known nodes are told, the root too", "[inodes]") {
  Table table;
  CHECK(table.inodes().nodes() == std::vector{kRootNode});
  const NodeId node = table.look_up("file");
  CHECK(table.inodes().nodes() == std::vector{kRootNode, node});
}

TEST_CASE("A file that the kernel has forgotten has its node again, by handle and by name",
          "[inodes]") {
  require_root();
  constexpr std::uint64_t kFirst = 1'000;
  constexpr std::size_t kMost = 10;
  Table table(1, Reaching::kByHandle, {.first_node = kFirst, .forgotten = kMost});
  const NodeId node = table.look_up("file");
  CHECK(static_cast<std::uint64_t>(node) > kFirst);
  table.inodes().forget(node, 1);
  table.inodes().forget(node, 1);
  CHECK(table.inodes().size() == 1);
  CHECK(table.inodes().nodes().size() == 1);
  CHECK_FALSE(table.inodes().is_known(node));

  const auto fd = table.inodes().reach(node);
  REQUIRE(errno_of(fd) == 0);
  const auto again = table.inodes().find_again(node, (*fd)->get());
  REQUIRE(errno_of(again) == 0);
  CHECK(again->node == node);
  CHECK(table.inodes().is_known(node));
  table.inodes().forget(node, 1);

  std::filesystem::rename(table / "file", table / "renamed");
  CHECK(table.look_up("renamed") == node);
  CHECK(table.inodes().size() == 2);
}

TEST_CASE("Only so many forgotten files are remembered", "[inodes]") {
  require_root();
  constexpr std::size_t kMost = 10;
  Table table(1, Reaching::kByHandle, {.forgotten = kMost});
  std::vector<NodeId> nodes;
  for (std::size_t i = 0; i < 3 * kMost; ++i) {
    const std::string name = "file-" + std::to_string(i);
    write_file(table / name, "");
    nodes.push_back(table.look_up(name.c_str()));
    table.inodes().forget(nodes.back(), 1);
    table.look_up("file");  // comes and goes all the time
    table.inodes().forget(table.look_up("file"), 2);
  }
  std::size_t found = 0;
  for (const NodeId node : nodes) {
    found += static_cast<std::size_t>(table.inodes().reach(node).has_value());
  }
  CHECK(found >= 1);
  CHECK(found <= kMost);
  CHECK(table.inodes().size() == 1);
}

}  // namespace
}  // namespace mmapdirfs::test
