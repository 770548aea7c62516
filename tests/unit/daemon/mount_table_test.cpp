// SPDX-License-Identifier: MIT
#include "mount_table.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr std::string_view kTable =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "36 22 0:45 / /mnt/index ro,nosuid shared:1 master:2 - fuse.mmapdirfs /srv/index ro,user_id=0\n"
    "37 22 0:46 / /mnt/plain rw - tmpfs tmpfs rw\n"
    "38 22 0:47 / /mnt/with\\040space\\134and\\011tab rw - fuse.mmapdirfs /srv/a\\040b\\012c ro\n"
    "39 22 0:48 / /mnt/stacked rw - tmpfs lower rw\n"
    "40 39 0:49 / /mnt/stacked rw - tmpfs upper rw\n";

TEST_CASE("A mount is found by its mount point", "[mount-table]") {
  const MountEntry entry = present(find_mount_in(kTable, "/mnt/index"));
  CHECK(entry.mountpoint == "/mnt/index");
  CHECK(entry.type == kFilesystemType);
  CHECK(entry.source == "/srv/index");
  CHECK(entry.device == ::makedev(0, 45));
}

TEST_CASE("A line without optional fields is read as well", "[mount-table]") {
  const MountEntry entry = present(find_mount_in(kTable, "/mnt/plain"));
  CHECK(entry.type == "tmpfs");
  CHECK(entry.device == ::makedev(0, 46));
}

TEST_CASE("Escaped characters are compared and shown as themselves", "[mount-table]") {
  const MountEntry entry = present(find_mount_in(kTable, "/mnt/with space\\and\ttab"));
  CHECK(entry.source == "/srv/a b\nc");
  CHECK_FALSE(find_mount_in(kTable, "/mnt/with\\040space\\134and\\011tab"));
}

TEST_CASE("A backslash that escapes nothing is a backslash", "[mount-table]") {
  for (const std::string name : {R"(/a\)", R"(/a\0)", R"(/a\04)", R"(/a\8\9\9)", R"(/a\zzz)"}) {
    CAPTURE(name);
    const std::string line = "36 22 0:45 / " + name + " rw - tmpfs tmpfs rw\n";
    CHECK(find_mount_in(line, name));
  }
}

TEST_CASE("Of several mounts on one point the topmost is found", "[mount-table]") {
  CHECK(present(find_mount_in(kTable, "/mnt/stacked")).source == "upper");
}

TEST_CASE("Where nothing is mounted nothing is found", "[mount-table]") {
  CHECK_FALSE(find_mount_in(kTable, "/mnt"));
  CHECK_FALSE(find_mount_in(kTable, "/mnt/index/"));
  CHECK_FALSE(find_mount_in(kTable, ""));
  CHECK_FALSE(find_mount_in("", "/"));
}

TEST_CASE("Malformed lines are passed over", "[mount-table]") {
  const std::string table =
      "\n"
      "garbage\n"
      "- - - - - - - - - - -\n"
      "36 22 0:45 / /mnt rw shared:1 shared:2 shared:3 tmpfs tmpfs rw\n"
      "36 22 zero / /mnt rw - tmpfs tmpfs rw\n"
      "36 22 0:45 / /mnt rw -\n"
      "36 22 0:45 / /mnt rw opt opt opt opt - tmpfs\n" +
      std::string(kTable);
  CHECK_FALSE(find_mount_in(table, "/mnt"));
  CHECK(find_mount_in(table, "/mnt/index"));
}

TEST_CASE("A last line without its newline counts", "[mount-table]") {
  CHECK(find_mount_in("36 22 0:45 / /mnt rw - tmpfs tmpfs rw", "/mnt"));
}

TEST_CASE("The machine's own table knows /proc with the device that stat shows", "[mount-table]") {
  const auto proc = find_mount("/proc");
  REQUIRE(proc);
  const MountEntry& entry = present(*proc);
  struct stat found{};
  must(::stat("/proc", &found), "stat");
  CHECK(entry.device == found.st_dev);
  CHECK(entry.type == "proc");
}

TEST_CASE("What is mounted beneath a directory is found, and not what is mounted on it",
          "[mount_table]") {
  const char* table =
      "40 22 0:45 / /srv ro - tmpfs none rw\n"
      "41 40 0:46 / /srv/index rw - tmpfs none rw\n"
      "42 41 0:47 / /srv/index/a\\040b rw shared:1 - tmpfs none rw\n"
      "43 41 0:48 / /srv/index/a\\040b rw shared:2 - tmpfs none rw\n"
      "44 40 0:49 / /srv/index2/c rw - tmpfs none rw\n";
  CHECK(mounts_beneath_in(table, "/srv/index") ==
        MountsBeneath{{"/srv/index/a b", 42}, {"/srv/index/a b", 43}});
}

}  // namespace
}  // namespace mmapdirfs::test
