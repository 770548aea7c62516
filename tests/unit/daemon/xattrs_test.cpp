// SPDX-License-Identifier: MIT
// getxattr and listxattr.

#include <sys/xattr.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "support/requirements.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr const char* kName = "user.colour";
constexpr std::string_view kValue("blue\0green", 10);

// Skips the test where the file system doesn't keep this kind of attribute.
void set_xattr(const std::filesystem::path& path, const char* name, std::string_view value) {
  if (::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) != 0) {
    mmapdir::test::skip(std::string("the attribute ") + name +
                        " can't be set here: " + std::generic_category().message(errno));
  }
}

TEST_CASE("An extended attribute is read whole, zero bytes included", "[xattrs]") {
  Fixture fixture({.reaching = each_reaching()});
  write_file(fixture / "file", "");
  set_xattr(fixture / "file", kName, kValue);
  const NodeId node = fixture.node_of("file");
  std::array<char, 64> buffer{};
  const auto length = fixture.fs().getxattr(node, kName, buffer);
  REQUIRE(errno_of(length) == 0);
  CHECK(std::string_view(buffer.data(), *length) == kValue);
}

TEST_CASE("An empty buffer asks for the length of an attribute", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  set_xattr(fixture / "file", kName, kValue);
  const NodeId node = fixture.node_of("file");
  const auto length = fixture.fs().getxattr(node, kName, {});
  REQUIRE(errno_of(length) == 0);
  CHECK(*length == kValue.size());

  const auto list = fixture.fs().listxattr(node, {});
  REQUIRE(errno_of(list) == 0);
  CHECK(*list >= std::strlen(kName) + 1);
}

TEST_CASE("A buffer too small for an attribute is refused with ERANGE", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  set_xattr(fixture / "file", kName, kValue);
  const NodeId node = fixture.node_of("file");
  std::array<char, kValue.size() - 1> small{};
  CHECK(errno_of(fixture.fs().getxattr(node, kName, small)) == ERANGE);
  std::array<char, 2> tiny{};
  CHECK(errno_of(fixture.fs().listxattr(node, tiny)) == ERANGE);
}

TEST_CASE("An attribute that isn't there is ENODATA, one of no known kind EOPNOTSUPP", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  set_xattr(fixture / "file", kName, kValue);
  const NodeId node = fixture.node_of("file");
  CHECK(errno_of(fixture.fs().getxattr(node, "user.absent", {})) == ENODATA);
  CHECK(errno_of(fixture.fs().getxattr(node, "nokind.name", {})) == EOPNOTSUPP);
}

TEST_CASE("The list of attributes names them all", "[xattrs]") {
  Fixture fixture;
  std::filesystem::create_directory(fixture / "directory");
  set_xattr(fixture / "directory", "user.first", "1");
  set_xattr(fixture / "directory", "user.second", "2");
  std::array<char, 256> buffer{};
  const auto length = fixture.fs().listxattr(fixture.node_of("directory"), buffer);
  REQUIRE(errno_of(length) == 0);
  const std::string_view names(buffer.data(), *length);
  CHECK(names.contains(std::string_view("user.first\0", 11)));
  CHECK(names.contains(std::string_view("user.second\0", 12)));
}

TEST_CASE("A file without attributes has an empty list", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  std::array<char, 256> wanted{};
  const auto there =
      must(::llistxattr((fixture / "file").c_str(), wanted.data(), wanted.size()), "llistxattr");
  const auto length = fixture.fs().listxattr(fixture.node_of("file"), {});
  REQUIRE(errno_of(length) == 0);
  CHECK(*length == static_cast<std::size_t>(there));
}

TEST_CASE("A symlink's attributes are its own, not its target's", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  set_xattr(fixture / "file", kName, kValue);
  std::filesystem::create_symlink("file", fixture / "link");
  const NodeId link = fixture.node_of("link");
  CHECK(errno_of(fixture.fs().getxattr(link, kName, {})) != 0);

  set_xattr(fixture / "link", "trusted.own", "mine");
  std::array<char, 64> buffer{};
  const auto length = fixture.fs().getxattr(link, "trusted.own", buffer);
  REQUIRE(errno_of(length) == 0);
  CHECK(std::string_view(buffer.data(), *length) == "mine");
  const auto list = fixture.fs().listxattr(link, buffer);
  REQUIRE(errno_of(list) == 0);
  CHECK(std::string_view(buffer.data(), *list).contains("trusted.own"));
}

TEST_CASE("Without the trusted ones, a list names the others and counts only them", "[xattrs]") {
  Fixture fixture;
  write_file(fixture / "file", "");
  for (const char* name : {"trusted.first", "user.trusted.kept", "trusted.last"}) {
    set_xattr(fixture / "file", name, "value");
  }
  const NodeId node = fixture.node_of("file");
  std::array<char, 256> buffer{};
  const auto length = fixture.fs().listxattr(node, buffer, XattrNames::kWithoutTrusted);
  REQUIRE(errno_of(length) == 0);
  const std::string_view names(buffer.data(), *length);
  CHECK(names.contains(std::string_view("user.trusted.kept\0", 18)));
  CHECK_FALSE(names.starts_with("trusted."));
  CHECK_FALSE(names.contains(std::string_view("\0trusted.", 9)));

  FileSystem& fs = fixture.fs();
  CHECK(fs.listxattr(node, {}, XattrNames::kWithoutTrusted).value_or(0) == *length);
  const std::span all(buffer);
  CHECK(fs.listxattr(node, all.first(*length), XattrNames::kWithoutTrusted) == *length);
  CHECK(errno_of(fs.listxattr(node, all.first(*length - 1), XattrNames::kWithoutTrusted)) ==
        ERANGE);
  CHECK(fs.listxattr(node, {}).value_or(0) > *length);
}

TEST_CASE("An open file's attributes are found once its name is gone", "[xattrs]") {
  Fixture fixture({.cached_descriptors = 1});
  write_file(fixture / "file", "");
  write_file(fixture / "other", "");
  set_xattr(fixture / "file", kName, kValue);
  const NodeId node = fixture.node_of("file");
  const auto opened = fixture.open(node);
  std::filesystem::remove(fixture / "file");
  fixture.look_up("other");  // takes the one cached descriptor
  const auto length = fixture.fs().getxattr(node, kName, {});
  REQUIRE(errno_of(length) == 0);
  CHECK(*length == kValue.size());
  fixture.fs().release(opened.handle);
}

TEST_CASE("Where labels are unused a file without one seems not to be able to have it",
          "[xattrs]") {
  constexpr const char* kLabel = "security.selinux";
  Fixture fixture({.labels_are_unused = true});
  Fixture plain;
  write_file(fixture / "file", "");
  write_file(plain / "file", "");
  const NodeId node = fixture.node_of("file");
  CHECK(errno_of(fixture.fs().getxattr(node, kLabel, {})) == EOPNOTSUPP);
  CHECK(errno_of(fixture.fs().getxattr(node, "user.other", {})) == ENODATA);
  CHECK(errno_of(plain.fs().getxattr(plain.node_of("file"), kLabel, {})) == ENODATA);
  set_xattr(fixture / "file", kLabel, "a label");
  const auto length = fixture.fs().getxattr(node, kLabel, {});
  REQUIRE(errno_of(length) == 0);
  CHECK(*length == std::string_view("a label").size());
}

}  // namespace
}  // namespace mmapdirfs::test
