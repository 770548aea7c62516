// SPDX-License-Identifier: MIT
// The directory that is found by name in the mount's root, and its texts.

#include "control/control_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>

namespace mmapdirfs::test {
namespace {

constexpr uid_t kStranger = 12345;

struct Made {
  explicit Made(ControlReads reads = ControlReads::kByHandle)
      : directory(".control", [this] { return source_has_name; }, reads) {
    directory.add("count", DocumentAudience::kEverybody,
                  [this] { return "text " + std::to_string(++texts) + "\n"; });
    directory.add("secret", DocumentAudience::kOwner, [] { return std::string("secret\n"); });
  }

  NodeId node(const char* name) const {
    const auto root = directory.lookup(kRootNode, ".control");
    REQUIRE(root);
    const auto found = directory.lookup(*root, name);
    REQUIRE(found);
    return *found;
  }

  bool source_has_name = false;
  int texts = 0;
  ControlDirectory directory;
};

std::string text_of(const Result<ReadView>& view) {
  REQUIRE(view);
  return {reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size()};
}

template <class T>
int errnum_of(const Result<T>& result) {
  return result ? 0 : result.error().errnum();
}

TEST_CASE("The control directory is found by its name, in the root alone", "[control]") {
  const Made made;
  const auto found = made.directory.lookup(kRootNode, ".control");
  REQUIRE(found);
  CHECK(ControlDirectory::contains(*found));
  CHECK_FALSE(ControlDirectory::contains(kRootNode));
  CHECK(errnum_of(made.directory.lookup(kRootNode, "other")) == ENOENT);
  CHECK(errnum_of(made.directory.lookup(NodeId{2}, ".control")) == ENOENT);
  CHECK(errnum_of(made.directory.lookup(*found, ".control")) == ENOENT);
}

TEST_CASE("A source that has the name keeps it for as long as it has it", "[control]") {
  Made made;
  made.source_has_name = true;
  CHECK(made.directory.is_hidden());
  CHECK_FALSE(made.directory.is_named(kRootNode, ".control"));
  CHECK(errnum_of(made.directory.lookup(kRootNode, ".control")) == ENOENT);
  made.source_has_name = false;
  CHECK(made.directory.is_named(kRootNode, ".control"));
}

TEST_CASE("A handle's text is made when it is opened and stays the same", "[control]") {
  Made made;
  const auto first = made.directory.open(made.node("count"), O_RDONLY, kStranger);
  const auto second = made.directory.open(made.node("count"), O_RDONLY, kStranger);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(text_of(made.directory.read(*second, 0, 100)) == "text 2\n");
  CHECK(text_of(made.directory.read(*first, 0, 100)) == "text 1\n");
  CHECK(text_of(made.directory.read(*first, 5, 1)) == "1");
  CHECK(text_of(made.directory.read(*first, 7, 100)).empty());
  CHECK(text_of(made.directory.read(*first, 1ULL << 62U, 100)).empty());
  made.directory.release(*first);
  CHECK(errnum_of(made.directory.read(*first, 0, 100)) == EBADF);
}

TEST_CASE("Where opens send no message, the size is that of the text to be read", "[control]") {
  const Made made(ControlReads::kByNode);
  const NodeId node = made.node("count");
  const auto attributes = made.directory.attributes(node);
  REQUIRE(attributes);
  const std::string text = text_of(made.directory.read(node, kStranger, 0, 100));
  CHECK(attributes->stx_size == text.size());
  CHECK(text.starts_with("text "));
  CHECK(errnum_of(made.directory.read(made.node("secret"), kStranger, 0, 100)) == EACCES);
}

TEST_CASE("What isn't for everybody opens for root and the daemon's user only", "[control]") {
  Made made;
  const NodeId node = made.node("secret");
  CHECK(made.directory.open(node, O_RDONLY, 0));
  CHECK(made.directory.open(node, O_RDONLY, ::geteuid()));
  CHECK(errnum_of(made.directory.open(node, O_RDONLY, kStranger)) == EACCES);
  CHECK(errnum_of(made.directory.access(node, R_OK, kStranger)) == EACCES);
  CHECK(made.directory.access(node, F_OK, kStranger));
  CHECK(made.directory.access(node, R_OK, ::geteuid()));
  CHECK(errnum_of(made.directory.access(node, W_OK, ::geteuid())) == EACCES);
}

TEST_CASE("Nobody opens the control directory's documents for writing", "[control]") {
  Made made;
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC}) {
    CAPTURE(flags);
    CHECK(errnum_of(made.directory.open(made.node("count"), flags, 0)) == EPERM);
  }
}

TEST_CASE("Nodes that were never given are turned away", "[control]") {
  Made made;
  const auto first = static_cast<std::uint64_t>(made.node("count"));
  for (const NodeId node : {NodeId{first + 2}, NodeId{~std::uint64_t{0}}}) {
    CHECK(ControlDirectory::contains(node));
    CHECK(errnum_of(made.directory.attributes(node)) == ENOENT);
    CHECK(errnum_of(made.directory.open(node, O_RDONLY, 0)) == ENOENT);
    CHECK(errnum_of(made.directory.list(node)) == ENOTDIR);
  }
}

TEST_CASE("The control directory lists its files and no others", "[control]") {
  Made made;
  const auto root = made.directory.lookup(kRootNode, ".control");
  REQUIRE(root);
  const auto listed = made.directory.list(*root);
  REQUIRE(listed);
  std::string names;
  for (const auto& entry : *listed) {
    names += entry.name + (entry.is_directory ? "/ " : " ");
  }
  CHECK(names == "./ ../ count secret ");
  CHECK(errnum_of(made.directory.open(*root, O_RDONLY, 0)) == EISDIR);
}

}  // namespace
}  // namespace mmapdirfs::test
