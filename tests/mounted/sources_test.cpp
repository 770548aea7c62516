// SPDX-License-Identifier: MIT
// Sources of other kinds: on tmpfs, across file systems, with links that lead out.

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

TEST_CASE("A source on tmpfs is read right", "[sources]") {
  if (::access("/dev/shm", W_OK) != 0) {
    skip("there is no /dev/shm to write to");
  }
  const ReadPath path = each_read_path();
  const TemporaryDirectory source("/dev/shm");
  const auto names = make_files_of_each_size(source.path());
  const Mount mount(source.path(), {.options = path});
  CHECK(names_in(mount.root()) == names_in(source.path()));
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(attributes(mount / name) == attributes(source / name));
    CHECK(difference(read_file(mount / name), read_file(source / name)).empty());
  }
}

// Two file systems inside the source, whose inode numbers collide with each other.
struct AcrossFileSystems {
  AcrossFileSystems() {
    for (const KernelMount* mount : {&first, &second}) {
      const std::string part = mount->path();
      write_file(part + "/file", "of " + part);
      std::filesystem::create_hard_link(part + "/file", part + "/link");
    }
    write_file(source / "file", "of the root");
  }

  std::filesystem::path made(const char* name) const {
    std::filesystem::create_directory(source / name);
    return source / name;
  }

  TemporaryDirectory source;
  KernelMount first = KernelMount::tmpfs(made("first"));
  KernelMount second = KernelMount::tmpfs(made("second"));
};

ino_t inode_of(const std::filesystem::path& path) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "lstat");
  return found.st_ino;
}

TEST_CASE("Across file systems each file has an inode number of its own, and keeps it",
          "[sources]") {
  require_root();
  const AcrossFileSystems across;
  REQUIRE(inode_of(across.source / "first/file") == inode_of(across.source / "second/file"));
  const Mount mount(across.source.path());

  std::map<std::string, ino_t> inodes;
  std::set<ino_t> distinct;
  for (const char* name : {".", "file", "first", "second", "first/file", "second/file"}) {
    inodes[name] = inode_of(mount / name);
    distinct.insert(inodes[name]);
  }
  CHECK(distinct.size() == inodes.size());
  CHECK(inode_of(mount / "first/link") == inodes["first/file"]);
  CHECK(inode_of(mount / "second/link") == inodes["second/file"]);
  CHECK(inode_of(mount / "file") == inode_of(across.source / "file"));
  for (const char* part : {"first", "second"}) {
    for (const auto& entry : std::filesystem::directory_iterator(mount / part)) {
      CHECK(read_file(entry.path()) == "of " + (across.source / part).string());
    }
  }
  const Mount again(across.source.path());
  CHECK(inode_of(again / "first/file") == inodes["first/file"]);
}

TEST_CASE("Copying across file systems never links files that differ", "[sources]") {
  require_root();
  const AcrossFileSystems across;
  const Mount mount(across.source.path());
  const TemporaryDirectory target;
  const std::string cp = target / "cp";
  const std::string tar = target / "tar";
  std::filesystem::create_directory(tar);
  // No -x: it has to go into the file systems inside.
  CHECK(run({"cp", "-a", mount.root(), cp}).status == 0);
  CHECK(run({"tar", "-C", mount.root(), "-cf", target / "all.tar", "."}).status == 0);
  CHECK(run({"tar", "-C", tar, "-xf", target / "all.tar"}).status == 0);
  for (const std::string& copy : {cp, tar}) {
    CAPTURE(copy);
    CHECK(run({"diff", "-r", across.source.path(), copy}).output.empty());
    CHECK(inode_of(copy + "/first/file") == inode_of(copy + "/first/link"));
    CHECK(inode_of(copy + "/first/file") != inode_of(copy + "/second/file"));
  }
}

TEST_CASE("A symbolic link out of the source is only told, never followed by the daemon",
          "[sources]") {
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  std::filesystem::create_directory(all / "outside");
  write_file(all / "outside/file", "outside");
  must(::symlink("../outside", (all / "source/out").c_str()), "symlink");
  must(::symlink((all / "outside").c_str(), (all / "source/away").c_str()), "symlink");
  const Mount mount(all / "source");
  CHECK(std::filesystem::read_symlink(mount / "out") == "../outside");
  // The reader's own kernel follows them, from where the mount is: the relative one leads nowhere.
  CHECK(!std::filesystem::exists(mount / "out/file"));
  CHECK(read_file(mount / "away/file") == "outside");
}

TEST_CASE("A source may be a mount of ours itself", "[sources]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const auto names = make_files_of_each_size(source.path());
  const Mount inner(source.path(), {.options = path});
  // By itself: asked for by name, passthrough through passthrough may be refused.
  const Mount outer(inner.root());
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(difference(read_file(outer / name), read_file(source / name)).empty());
  }
}

TEST_CASE("The names of source and mount point may hold blanks, commas and backslashes",
          "[sources]") {
  const TemporaryDirectory all;
  for (const char* name : {"with blank", "a,b", R"(back\slash)", R"(\040)", "\xff"}) {
    CAPTURE(name);
    const std::filesystem::path source = all / name;
    std::filesystem::create_directory(source);
    write_file(source / "file", name);
    const Mount mount(source);
    CHECK(read_file(mount / "file") == name);
    // It is found again in the mount table, in which such names are escaped.
    const Outcome again = run({daemon_program(), source, mount.root()});
    CAPTURE(again.error);
    CHECK(again.status == 0);
    CHECK(mounts_under(mount.root()).size() == 1);
  }
}

TEST_CASE("The source may itself be reached through a symbolic link", "[sources]") {
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  write_file(all / "source/file", "x");
  must(::symlink("source", (all / "link").c_str()), "symlink");
  const Mount mount(all / "link");
  CHECK(read_file(mount / "file") == "x");
  // It is the directory that is mounted, whatever becomes of the name.
  std::filesystem::remove(all / "link");
  CHECK(names_in(mount.root()) == std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace mmapdir::test
