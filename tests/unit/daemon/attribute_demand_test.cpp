// SPDX-License-Identifier: MIT
#include "fs/attribute_demand.h"

#include <sys/stat.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>

namespace mmapdirfs::test {
namespace {

constexpr pid_t kThread = 7;

DirectoryEntry file(const char* name) {
  return {.name = name, .inode = 1, .type = S_IFREG, .next = 1};
}

// Which of "a", "b" and "c" come with attributes.
std::string listed(AttributeDemand& demand, NodeId directory, pid_t thread = kThread) {
  auto listing = demand.begin(thread, directory);
  std::string with;
  for (const char* name : {"a", "b", "c"}) {
    with += listing.wants(file(name)) ? name : "";
  }
  return with;
}

void list_some(AttributeDemand& demand, std::uint64_t count) {
  for (std::uint64_t i = 1; i <= count; ++i) {
    REQUIRE(listed(demand, NodeId{i}) == "bc");
  }
}

TEST_CASE("Who asks for the first file's attributes is given all others'", "[attribute_demand]") {
  AttributeDemand demand;
  CHECK(listed(demand, NodeId{1}) == "bc");
  demand.note_lookup(NodeId{1}, "a");
  CHECK(listed(demand, NodeId{1}) == "abc");
  CHECK(listed(demand, NodeId{2}) == "abc");
}

TEST_CASE("Who never asks is soon given names alone, and nobody else is", "[attribute_demand]") {
  AttributeDemand demand;
  list_some(demand, 3);
  CHECK(listed(demand, NodeId{4}).empty());
  CHECK(listed(demand, NodeId{4}, kThread + 1) == "bc");
}

TEST_CASE("Asking late, even by another thread, counts for who has listed", "[attribute_demand]") {
  AttributeDemand demand;
  list_some(demand, 3);
  REQUIRE(listed(demand, NodeId{4}).empty());
  demand.note_lookup(NodeId{2}, "a");
  CHECK(listed(demand, NodeId{5}) == "abc");
}

TEST_CASE("Other names, and names elsewhere, tell nothing", "[attribute_demand]") {
  AttributeDemand demand;
  list_some(demand, 3);
  demand.note_lookup(NodeId{2}, "b");
  demand.note_lookup(NodeId{99}, "a");
  CHECK(listed(demand, NodeId{4}).empty());
}

TEST_CASE("Directories, and what may be one, always come with attributes", "[attribute_demand]") {
  AttributeDemand demand;
  list_some(demand, 3);
  auto listing = demand.begin(kThread, NodeId{4});
  for (const mode_t type : {mode_t{S_IFDIR}, mode_t{0}}) {
    CHECK(listing.wants({.name = "directory", .inode = 1, .type = type, .next = 1}));
  }
  CHECK_FALSE(listing.wants(file("file")));
}

TEST_CASE("A name that begins with a dot isn't the one that tells", "[attribute_demand]") {
  AttributeDemand demand;
  auto listing = demand.begin(kThread, NodeId{1});
  CHECK(listing.wants(file(".gitignore")));
  CHECK_FALSE(listing.wants(file("a")));
  demand.note_lookup(NodeId{1}, ".gitignore");
  CHECK(listed(demand, NodeId{2}) == "bc");
}

TEST_CASE("Directories without files teach nothing", "[attribute_demand]") {
  AttributeDemand demand;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    (void)demand.begin(kThread, NodeId{i});
  }
  CHECK(listed(demand, NodeId{11}) == "bc");
}

}  // namespace
}  // namespace mmapdirfs::test
