// SPDX-License-Identifier: MIT
#include "mount_options.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace mmapdirfs::test {
namespace {

using Strings = std::vector<std::string>;

TEST_CASE("A list of mount options is split at its commas", "[mount-options]") {
  CHECK(split_mount_options("ro") == Strings{"ro"});
  CHECK(split_mount_options("ro,allow_other,fsname=/data") ==
        Strings{"ro", "allow_other", "fsname=/data"});
}

TEST_CASE("Empty parts of a list say nothing", "[mount-options]") {
  CHECK(split_mount_options("").empty());
  CHECK(split_mount_options(",,").empty());
  CHECK(split_mount_options(",ro,,rw,") == Strings{"ro", "rw"});
}

TEST_CASE("A backslash takes the next character literally", "[mount-options]") {
  CHECK(split_mount_options(R"(fsname=a\,b,ro)") == Strings{"fsname=a,b", "ro"});
  CHECK(split_mount_options(R"(fsname=a\\,ro)") == Strings{R"(fsname=a\)", "ro"});
  CHECK(split_mount_options(R"(fsname=\a)") == Strings{"fsname=a"});
  CHECK(split_mount_options(R"(fsname=a\)") == Strings{R"(fsname=a\)"});
}

TEST_CASE("Options that the kernel or libfuse acts on are passed", "[mount-options]") {
  for (const char* option : {"ro", "allow_other", "default_permissions", "fsname=x", "subtype=y",
                             "nosuid", "nodev", "noexec", "noatime", "context=a:b:c"}) {
    CAPTURE(option);
    CHECK(kind_of_mount_option(option) == MountOptionKind::kPassed);
  }
}

TEST_CASE("Options that speak to others are ignored", "[mount-options]") {
  for (const char* option :
       {"rw", "defaults", "noauto", "user", "user=me", "nofail", "_netdev", "x-systemd.automount",
        "x-gvfs-name=Data", "X-mount.mkdir", "comment=mine"}) {
    CAPTURE(option);
    CHECK(kind_of_mount_option(option) == MountOptionKind::kIgnored);
  }
}

TEST_CASE("Everything else is unknown, also a value too many or too few", "[mount-options]") {
  for (const char* option : {"", "nonsense", "RO", "ro=1", "fsname", "fsname=", "allow_othe",
                             "allow_others", " ro", "x"}) {
    CAPTURE(option);
    CHECK(kind_of_mount_option(option) == MountOptionKind::kUnknown);
  }
}

TEST_CASE("The options named to the user are options that are passed", "[mount-options]") {
  std::string names = known_mount_options();
  CHECK(names.contains("allow_other"));
  for (std::size_t at = 0; (at = names.find(", ", at)) != std::string::npos;) {
    names.erase(at + 1, 1);
  }
  for (const auto& name : split_mount_options(names)) {
    CAPTURE(name);
    CHECK(kind_of_mount_option(name.ends_with('=') ? name + "value" : name) ==
          MountOptionKind::kPassed);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
