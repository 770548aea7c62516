// SPDX-License-Identifier: MIT
// What stat says of a file in the mount is what it says of the file in the source.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

void make_socket(const std::filesystem::path& path) {
  const UniqueFd fd(must(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.native().size() < sizeof address.sun_path);
  std::strncpy(static_cast<char*>(address.sun_path), path.c_str(), sizeof address.sun_path - 1);
  // bind(2) takes every kind of address through this type.
  must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
}

TEST_CASE("Files of every kind have the source's attributes", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", pattern(12'345, 1), 0640);
  write_file(source / "set-ids", "#!", 06755);
  write_file(source / "forbidden", "", 0000);
  std::filesystem::create_directories(source / "directory/below");
  must(::chmod((source / "directory").c_str(), 01777), "chmod");
  must(::mkfifo((source / "fifo").c_str(), 0604), "mkfifo");
  make_socket(source / "socket");
  must(::symlink("file", (source / "link").c_str()), "symlink");
  if (::geteuid() == 0) {
    must(::mknod((source / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), "mknod");
    must(::mknod((source / "block").c_str(), S_IFBLK | 0600, makedev(259, 70'000)), "mknod");
    must(::chown((source / "file").c_str(), 12'345, 54'321), "chown");
    must(::lchown((source / "link").c_str(), 7, 8), "lchown");
  }
  const Mount mount(source.path(), {.options = path});

  CHECK(attributes(mount.root()) == attributes(source.path()));
  for (const std::string& name : names_in(source.path())) {
    CAPTURE(name);
    CHECK(attributes(mount / name) == attributes(source / name));
  }
}

TEST_CASE("Times are the source's to the nanosecond, also before 1970", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::array<timespec, 2> old{timespec{.tv_sec = -86'400, .tv_nsec = 999'999'999},
                                    timespec{.tv_sec = -1, .tv_nsec = 123'456'789}};
  const std::array<timespec, 2> late{timespec{.tv_sec = 5'000'000'000, .tv_nsec = 1},
                                     timespec{.tv_sec = 4'294'967'296, .tv_nsec = 0}};
  for (const auto& [name, times] : {std::pair{"old", old}, std::pair{"late", late}}) {
    write_file(source / name, "x");
    must(::utimensat(AT_FDCWD, (source / name).c_str(), times.data(), 0), "utimensat");
  }
  const Mount mount(source.path(), {.options = path});
  for (const char* name : {"old", "late"}) {
    CAPTURE(name);
    struct stat here{};
    struct stat there{};
    must(::stat((mount / name).c_str(), &here), "stat");
    must(::stat((source / name).c_str(), &there), "stat");
    CHECK(attributes(mount / name) == attributes(source / name));
    CHECK(here.st_atim.tv_sec == there.st_atim.tv_sec);
    CHECK(here.st_atim.tv_nsec == there.st_atim.tv_nsec);
  }
}

TEST_CASE("Hard links are one inode with its number of links", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "first", "shared");
  std::filesystem::create_directory(source / "elsewhere");
  std::filesystem::create_hard_link(source / "first", source / "second");
  std::filesystem::create_hard_link(source / "first", source / "elsewhere/third");
  const Mount mount(source.path(), {.options = path});

  CHECK(std::filesystem::hard_link_count(mount / "first") == 3);
  CHECK(attributes(mount / "second") == attributes(mount / "first"));
  CHECK(attributes(mount / "elsewhere/third") == attributes(source / "first"));
  CHECK(std::filesystem::equivalent(mount / "first", mount / "elsewhere/third"));
}

TEST_CASE("A sparse file occupies as few blocks as in the source", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  {
    const UniqueFd file = open_fd(source / "sparse", O_WRONLY | O_CREAT);
    write_at(file.get(), "at the end", off_t{6} << 30U);
    must(::fsync(file.get()), "fsync");
  }
  const Mount mount(source.path(), {.options = path});
  CHECK(attributes(mount / "sparse") == attributes(source / "sparse"));
}

TEST_CASE("Symbolic links say what they say in the source, wherever they lead", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "found");
  std::filesystem::create_directory(source / "directory");
  const std::array<std::pair<const char*, std::string>, 5> links{{
      {"relative", "file"},
      {"directory/upward", "../file"},
      {"absolute", "/etc/passwd"},
      {"dangling", "nowhere at all"},
      {"long", std::string(4095, 'x')},
  }};
  for (const auto& [name, target] : links) {
    must(::symlink(target.c_str(), (source / name).c_str()), "symlink");
  }
  const Mount mount(source.path(), {.options = path});

  for (const auto& [name, target] : links) {
    CAPTURE(name);
    CHECK(std::filesystem::read_symlink(mount / name) == target);
    CHECK(attributes(mount / name) == attributes(source / name));
  }
  CHECK(read_file(mount / "relative") == "found");
  CHECK(read_file(mount / "directory/upward") == "found");
  CHECK(!std::filesystem::exists(mount / "dangling"));
}

TEST_CASE("A change of the source's attributes is seen after the cache's second", "[attributes]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "short", 0600);
  const Mount mount(source.path(), {.options = path});
  CHECK(attributes(mount / "file") == attributes(source / "file"));

  write_file(source / "file", "longer than before", 0644);
  CHECK(eventually([&] { return attributes(mount / "file") == attributes(source / "file"); }));
  CHECK(read_file(mount / "file") == "longer than before");
}

}  // namespace
}  // namespace mmapdir::test
