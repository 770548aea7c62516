// SPDX-License-Identifier: MIT
// Extended attributes and access control lists are the source's.

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "support/acl.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

void set(const std::filesystem::path& path, const char* name, const std::string& value) {
  if (::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) != 0 && errno == ENOTSUP) {
    skip(std::string("the source's file system has no attribute ") + name);
  }
  must(::lgetxattr(path.c_str(), name, nullptr, 0), std::string("set ") + name);
}

std::string get(const std::filesystem::path& path, const char* name) {
  std::string value(65'536, '\0');
  value.resize(static_cast<std::size_t>(
      must(::lgetxattr(path.c_str(), name, value.data(), value.size()), name)));
  return value;
}

std::vector<std::string> list(const std::filesystem::path& path) {
  std::string raw(65'536, '\0');
  raw.resize(
      static_cast<std::size_t>(must(::llistxattr(path.c_str(), raw.data(), raw.size()), "list")));
  std::vector<std::string> names;
  std::istringstream stream(raw);
  for (std::string name; std::getline(stream, name, '\0');) {
    names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

TEST_CASE("Attributes of files and directories are read and listed", "[xattrs]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  std::filesystem::create_directory(source / "directory");
  const std::string binary("a\0b\xff", 4);
  for (const char* name : {"file", "directory", "."}) {
    set(source / name, "user.colour", "green");
    set(source / name, "user.binary", binary);
    set(source / name, "user.empty", "");
  }
  const Mount mount(source.path());
  for (const char* name : {"file", "directory", "."}) {
    CAPTURE(name);
    CHECK(get(mount / name, "user.colour") == "green");
    CHECK(get(mount / name, "user.binary") == binary);
    CHECK(get(mount / name, "user.empty").empty());
    CHECK(list(mount / name) == list(source / name));
  }
}

TEST_CASE("A value of 2,000 bytes comes back whole", "[xattrs]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const std::string value = pattern(2'000, 1);
  set(source / "file", "user.long", value);
  const Mount mount(source.path());
  CHECK(difference(get(mount / "file", "user.long"), value).empty());
}

TEST_CASE("Asking for the size, and with too little room, answers as the source does", "[xattrs]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  set(source / "file", "user.colour", "green");
  const Mount mount(source.path());
  const std::string path = mount / "file";
  std::string little(2, '\0');

  CHECK(::getxattr(path.c_str(), "user.colour", nullptr, 0) == 5);
  CHECK(::listxattr(path.c_str(), nullptr, 0) ==
        ::listxattr((source / "file").c_str(), nullptr, 0));
  CHECK(::getxattr(path.c_str(), "user.colour", little.data(), little.size()) == -1);
  CHECK(errno == ERANGE);
  CHECK(::listxattr(path.c_str(), little.data(), little.size()) == -1);
  CHECK(errno == ERANGE);
  CHECK(::getxattr(path.c_str(), "user.none", nullptr, 0) == -1);
  CHECK(errno == ENODATA);
}

TEST_CASE("Root reads the trusted and security attributes, a symbolic link's too", "[xattrs]") {
  require_root();
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  must(::symlink("file", (source / "link").c_str()), "symlink");
  set(source / "file", "trusted.note", "of the file");
  set(source / "file", "security.note", "label");
  set(source / "link", "trusted.note", "of the link");
  const Mount mount(source.path());

  CHECK(get(mount / "file", "trusted.note") == "of the file");
  CHECK(get(mount / "file", "security.note") == "label");
  CHECK(get(mount / "link", "trusted.note") == "of the link");
  CHECK(list(mount / "link") == list(source / "link"));
}

TEST_CASE("An access control list is shown as the source has it", "[xattrs]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x", 0600);
  set(source / "file", kAclName, acl_for_reader(12'345));
  const Mount mount(source.path());
  CHECK(difference(get(mount / "file", kAclName), acl_for_reader(12'345)).empty());
  CHECK(attributes(mount / "file") == attributes(source / "file"));
  CHECK(list(mount / "file") == list(source / "file"));
}

}  // namespace
}  // namespace mmapdir::test
