// SPDX-License-Identifier: MIT
// What the daemon holds of its source, and of file systems that are mounted inside it, while
// somebody wants to unmount them.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <csignal>
#include <functional>
#include <vector>

#include "support/disk_image.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

int unmount(const Path& path) { return ::umount2(path.c_str(), 0) == 0 ? 0 : errno; }

// What is held for a moment is let go of; on a busy machine others may look in meanwhile.
bool comes_off(const Path& path) {
  int result = 0;
  const bool is_off = eventually([&] {
    result = unmount(path);
    return result != EBUSY;
  });
  return is_off && result == 0;
}

ReadPath each_read_path_and_cache() {
  ReadPath path = each_read_path();
  if (path.size() == 1) {
    path.push_back(GENERATE("--cache=auto", "--cache=always"));
  }
  return path;
}

// Something to mount inside a source, again and again.
struct Inner {
  const char* name;
  std::function<void()> require;
  std::function<void(const Path& image)> make;
  std::function<void(const Path& image, const Path& where)> mount;
  bool keeps_files;
};

const std::vector<Inner>& inner_file_systems() {
  static const std::vector<Inner> table{
      {.name = "tmpfs",
       .require = [] {},
       .make = [](const Path& /*image*/) {},
       .mount =
           [](const Path& /*image*/, const Path& where) {
             must(::mount("tmpfs", where.c_str(), "tmpfs", 0, nullptr), "mount");
           },
       .keeps_files = false},
      {.name = "ext4",
       .require = [] { require_disk_images("ext4"); },
       .make = [](const Path& image) { DiskImage::make(image, 16U << 20U, "ext4"); },
       .mount =
           [](const Path& image, const Path& where) {
             must_run({"mount", "-o", "loop", image.string(), where.string()});
           },
       .keeps_files = true},
  };
  return table;
}

// A source with a file system mounted on `place`, which goes whatever happens.
struct World {
  explicit World(const Inner& its_inner) : inner(its_inner) {
    inner.require();
    std::filesystem::create_directories(source / "above/place");
    write_file(source / "above/place/hidden", "hidden");
    inner.make(image);
    mount_inner();
    std::filesystem::create_directories(place / "directory/deeper");
    write_file(place / "directory/deeper/file", "bytes");
    write_file(place / "file", pattern(100'000, 1));
    std::filesystem::create_symlink("file", place / "link");
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { ::umount2(place.c_str(), MNT_DETACH); }

  void mount_inner() const { inner.mount(image, place); }

  const Inner& inner;
  TemporaryDirectory source;
  TemporaryDirectory elsewhere;
  Path place = source / "above/place";
  Path image = elsewhere / "image";
};

// In the ways that leave something to be kept.
void use(const Path& place, bool writes) {
  CHECK(names_in(place).size() >= 3);
  CHECK(read_file(place / "file") == pattern(100'000, 1));
  CHECK(read_file(place / "directory/deeper/file") == "bytes");
  CHECK(std::filesystem::read_symlink(place / "link") == "file");
  CHECK_FALSE(std::filesystem::exists(place / "directory/missing"));
  CHECK(::getxattr((place / "file").c_str(), "user.none", nullptr, 0) == -1);
  const UniqueFd directory = open_fd(place / "directory", O_RDONLY | O_DIRECTORY);
  if (writes) {
    write_file(place / "written", "bytes");
    std::filesystem::rename(place / "written", place / "directory/renamed");
    write_file(place / "directory/other", "bytes");
    std::filesystem::rename(place / "directory/other", place / "directory/renamed");
    CHECK(read_file(place / "directory/renamed") == "bytes");
    std::filesystem::remove(place / "directory/renamed");
  }
}

std::string content_of(const Path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? read_at(fd.get(), 100, 0) : "none";
}

TEST_CASE("A file system inside the source can be unmounted when nothing there is open",
          "[unmounting]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  for (const Inner& inner : inner_file_systems()) {
    CAPTURE(inner.name);
    const World world(inner);
    const Mount mount(world.source.path(), {.options = path});
    const Path place = mount / "above/place";
    use(place, true);
    {
      const UniqueFd open = open_fd(place / "file", O_RDONLY);
      CHECK(read_at(open.get(), 10, 0) == read_file(world.place / "file").substr(0, 10));
      CHECK(unmount(world.place) == EBUSY);
    }
    REQUIRE(comes_off(world.place));
    CHECK(eventually([&] { return content_of(place / "hidden") == "hidden"; }));
    CHECK(content_of(place / "file") == "none");

    world.mount_inner();
    write_file(world.place / "again", "again");
    CHECK(eventually([&] { return content_of(place / "again") == "again"; }));
    CHECK(names_in(place) == names_in(world.place));
    REQUIRE(comes_off(world.place));
  }
}

TEST_CASE(
    "A file system inside the source can be unmounted where files are opened without a message",
    "[unmounting]") {
  require_root();
  for (const Inner& inner : inner_file_systems()) {
    CAPTURE(inner.name);
    const World world(inner);
    const Mount mount(world.source.path(),
                      {.options = {"-o", "ro", "--read-path=mapped", "--cache=always"}});
    use(mount / "above/place", false);
    CHECK(comes_off(world.place));
  }
}

TEST_CASE("What has changed on a file system while it was away is seen when it is back",
          "[unmounting]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  const Inner& inner = inner_file_systems().back();
  REQUIRE(inner.keeps_files);
  const World world(inner);
  const Mount mount(world.source.path(), {.options = path});
  const Path place = mount / "above/place";
  use(place, true);
  REQUIRE(comes_off(world.place));

  const Path other = world.elsewhere / "other";
  std::filesystem::create_directory(other);
  inner.mount(world.image, other);
  write_file(other / "directory/deeper/file", "other");
  write_file(other / "directory/missing", "there");
  std::filesystem::rename(other / "link", other / "directory/link");
  REQUIRE(comes_off(other));

  world.mount_inner();
  CHECK(eventually([&] { return content_of(place / "directory/deeper/file") == "other"; }));
  CHECK(content_of(place / "directory/missing") == "there");
  CHECK(names_in(place / "directory") == names_in(world.place / "directory"));
  CHECK_FALSE(std::filesystem::exists(std::filesystem::symlink_status(place / "link")));

  // It is watched as before.
  if (path.back() == "--cache=auto") {
    write_file(world.place / "directory/deeper/file", "changed");
    std::filesystem::remove(world.place / "directory/missing");
    CHECK(eventually([&] { return content_of(place / "directory/deeper/file") == "changed"; }));
    CHECK(eventually([&] { return !std::filesystem::exists(place / "directory/missing"); }));
  }
  REQUIRE(comes_off(world.place));
}

void stop(const Process& daemon) {
  must(::kill(daemon.pid(), SIGSTOP), "kill");
  siginfo_t info{};
  must(::waitid(P_PID, static_cast<id_t>(daemon.pid()), &info, WSTOPPED), "waitid");
}

// The kernel gives the new one the id of the old one.
TEST_CASE("A file system that takes another's place before the daemon looks is seen",
          "[unmounting]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  const World world(inner_file_systems().front());
  Mount mount(world.source.path(), {.options = path});
  const Path place = mount / "above/place";
  use(place, true);
  const int daemon = mount.daemon().pid();
  REQUIRE(eventually([&] {
    stop(mount.daemon());
    const bool is_off = unmount(world.place) == 0;
    if (!is_off) {
      must(::kill(daemon, SIGCONT), "kill");
    }
    return is_off;
  }));
  world.mount_inner();
  write_file(world.place / "again", "again");
  must(::kill(daemon, SIGCONT), "kill");
  CHECK(eventually([&] { return content_of(place / "again") == "again"; }));
  CHECK(names_in(place) == names_in(world.place));
}

TEST_CASE("A file that is bound to a second place inside the source keeps nothing of it",
          "[unmounting]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  const TemporaryDirectory source;
  std::filesystem::create_directories(source / "first/directory");
  std::filesystem::create_directory(source / "second");
  write_file(source / "first/directory/file", "bytes");
  const KernelMount bound = KernelMount::bind(source / "first", source / "second");
  const Mount mount(source.path(), {.options = path});
  for (const char* place : {"first", "second", "first"}) {
    CHECK(content_of(mount / place / "directory/file") == "bytes");
  }
  CHECK(comes_off(bound.path()));
  CHECK(eventually([&] { return content_of(mount / "first/directory/file") == "bytes"; }));
  write_file(source / "first/directory/file", "other");
  CHECK((path.back() == "--cache=always" ||
         eventually([&] { return content_of(mount / "first/directory/file") == "other"; })));
}

// The kernel tells the daemon once the mount is gone, so the source is free a moment later. To give
// up the watches, which don't hold it, takes a while.
TEST_CASE("When its mount is taken away the source is the first that the daemon lets go of",
          "[unmounting]") {
  require_root();
  require_strace();
  const ReadPath path = each_read_path();
  const TemporaryDirectory parent;
  const KernelMount source = KernelMount::tmpfs(parent.path());
  write_file(source.path() / "file", pattern(100'000, 1));
  Mount mount(source.path(), {.options = path});
  CHECK(read_file(mount / "file") == pattern(100'000, 1));
  Strace strace(mount.daemon(), {"-e", "trace=close,write"});
  REQUIRE(mount.unmount() == 0);
  REQUIRE(comes_off(source.path()));
  CHECK(mount.daemon().wait(kPatience) == 0);

  const std::string root = fmt::format("<{}", source.path().string());
  bool is_rest = false;
  std::size_t closed = 0;
  for (const auto& call : strace.stop()) {
    const bool is_of_source = call.name == "close" && call.arguments.contains(root);
    closed += is_of_source ? 1 : 0;
    is_rest = is_rest || call.arguments.contains("[fanotify]") ||
              (call.name == "write" && call.arguments.contains("unmounted"));
    CHECK_FALSE((is_of_source && is_rest));
  }
  CHECK(closed > 0);
  CHECK(is_rest);
}

}  // namespace
}  // namespace mmapdir::test
