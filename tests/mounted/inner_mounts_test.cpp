// SPDX-License-Identifier: MIT
// What is mounted within the mount stays there, whatever changes on the source and is forgotten,
// until the very directory is removed.

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <csignal>
#include <fstream>
#include <functional>
#include <vector>

#include "support/control_client.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

ReadPath each_read_path_and_cache() {
  ReadPath path = each_read_path();
  if (path.size() == 1) {
    path.push_back(GENERATE("--cache=auto", "--cache=always"));
  }
  return path;
}

bool watches(const ReadPath& path) {
  return path.back() != "--cache=always" && path.back() != "--cache=never";
}

// As proc(5) has it of a process or a thread: 'T' is stopped.
char state_of(const Path& task) {
  std::ifstream file(task / "stat");
  std::string text;
  std::getline(file, text);
  const auto end = text.rfind(") ");
  return end == std::string::npos ? '?' : text[end + 2];
}

// A signal that stops a process reaches its threads a moment later.
bool is_stopped(const Process& process) {
  const Path tasks = fmt::format("/proc/{}/task", process.pid());
  return std::ranges::all_of(std::filesystem::directory_iterator(tasks),
                             [](const auto& task) { return state_of(task.path()) == 'T'; });
}

// Another mount namespace, as a container has it: with a volume of its own in the mount.
class OtherNamespace {
 public:
  explicit OtherNamespace(const Path& where)
      : where_(where), process_(Process::call([&] {
          enter_private_mount_namespace();
          must(::mount("tmpfs", where.c_str(), "tmpfs", 0, nullptr), "mount");
          must(::kill(::getpid(), SIGSTOP), "kill");
          return 0;
        })) {
    REQUIRE(eventually([&] { return is_stopped(process_); }));
  }

  // The volume, as it is reached from here.
  Path path() const { return fmt::format("/proc/{}/root{}", process_.pid(), where_.string()); }

 private:
  Path where_;
  Process process_;
};

dev_t device_of(const Path& path) {
  struct stat found{};
  return ::lstat(path.c_str(), &found) == 0 ? found.st_dev : 0;
}

// A source with directories and a file to mount on, the mount, and what is mounted within.
struct World {
  explicit World(const ReadPath& path)
      : watched(watches(path)), mount(made(source.path()), {.options = path}) {}

  static const Path& made(const Path& source) {
    for (const char* name : {"above/here/volume", "above/here/container", "crowd"}) {
      std::filesystem::create_directories(source / name);
    }
    write_file(source / "above/here/file", "hidden");
    write_file(source / "above/neighbour", "bytes");
    return source;
  }

  // Returns once what has been changed on the source was seen to.
  void wait_for_reports() {
    if (watched) {
      const std::string name = fmt::format("last-{}", ++waits);
      CHECK_FALSE(std::filesystem::exists(mount / name));
      write_file(source / name, "seen");
      CHECK(eventually([&] { return std::filesystem::exists(mount / name); }));
    }
  }

  bool watched;
  int waits = 0;
  TemporaryDirectory source;
  Mount mount;
};

struct Inner {
  explicit Inner(World& world)
      : bytes(world.source / "bytes-of-file"),
        tmpfs(KernelMount::tmpfs(world.mount / "above/here/volume")),
        file(KernelMount::bind(made(bytes), world.mount / "above/here/file")),
        container(world.mount / "above/here/container") {}

  static const Path& made(const Path& path) {
    write_file(path, "shown");
    return path;
  }

  Path bytes;
  KernelMount tmpfs;
  KernelMount file;
  OtherNamespace container;
};

// By the table first, since looking at a name has the kernel ask for it.
void check_mounted(const World& world, const Path& volume, const Path& container,
                   const Path& file) {
  CHECK(mounts_under(volume).size() == 1);
  CHECK(mounts_under(file).size() == 1);
  write_file(volume / "written", "bytes");
  write_file(container / "written", "bytes");
  CHECK(device_of(volume) != device_of(world.mount.root()));
  CHECK(device_of(container) != device_of(world.mount.root()));
  CHECK(read_file(file) == "shown");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world.source.path())) {
    CAPTURE(entry.path());
    CHECK(entry.path().filename() != "written");
  }
}

void check_mounted(const World& world, const Inner& inner) {
  check_mounted(world, inner.tmpfs.path(), inner.container.path(), inner.file.path());
}

void rename_and_back(const Path& path) {
  const Path other = path.string() + "-other";
  std::filesystem::rename(path, other);
  std::filesystem::rename(other, path);
}

// So many changes that the kernel's queue overflows while the daemon doesn't read it.
void overflow(World& world) {
  unsigned queue = 0;
  std::ifstream("/proc/sys/fs/fanotify/max_queued_events") >> queue;
  if (queue == 0 || queue > 100'000) {
    skip("the queue of changes is too long to be filled");
  }
  CHECK(names_in(world.mount / "crowd").empty());  // watched
  world.mount.daemon().signal(SIGSTOP);
  REQUIRE(eventually([&] { return is_stopped(world.mount.daemon()); }));
  for (unsigned i = 0; i < queue + 100; ++i) {
    must(::mknod((world.source / fmt::format("crowd/{}", i)).c_str(), S_IFREG | 0644, 0), "mknod");
  }
  world.mount.daemon().signal(SIGCONT);
  CHECK(eventually([&] { return world.mount.log().contains("everything is looked up anew"); }));
  CHECK(eventually([&] { return names_in(world.mount / "crowd").size() == queue + 100; }));
}

struct Change {
  const char* name;
  std::function<void(World&)> make;
};

const std::vector<Change>& changes() {
  static const std::vector<Change> table{
      {.name = "the directory above is renamed, and renamed back",
       .make = [](World& w) { rename_and_back(w.source / "above"); }},
      {.name = "the directory above is renamed, and renamed back later",
       .make =
           [](World& w) {
             std::filesystem::rename(w.source / "above", w.source / "other");
             w.wait_for_reports();
             std::filesystem::rename(w.source / "other", w.source / "above");
           }},
      {.name = "the directories themselves and the file are renamed, and renamed back",
       .make =
           [](World& w) {
             for (const char* name : {"volume", "container", "file"}) {
               rename_and_back(w.source / "above/here" / name);
             }
           }},
      {.name = "modes and times change",
       .make =
           [](World& w) {
             for (const char* name : {"volume", "container", "file", "../here", "../../above"}) {
               must(::chmod((w.source / "above/here" / name).c_str(), 0700), "chmod");
             }
           }},
      {.name = "names beside them come and go",
       .make =
           [](World& w) {
             for (const char* directory : {"above/here", "above", "above/here/volume"}) {
               const Path beside = w.source / directory / "beside";
               std::filesystem::create_directory(beside);
               write_file(beside / "file", "bytes");
               std::filesystem::remove_all(beside);
             }
             std::filesystem::remove(w.source / "above/neighbour");
           }},
      {.name = "clear-cache",
       .make =
           [](World& w) {
             CHECK(control(w.mount.root(), "clear-cache").ends_with(kDone));
             CHECK(control(w.mount.root(), "clear-cache").ends_with(kDone));
           }},
  };
  return table;
}

TEST_CASE("What is mounted within the mount stays whatever changes on the source",
          "[inner_mounts]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  const auto index = GENERATE(range(std::size_t{0}, changes().size()));
  const Change& change = changes()[index];
  INFO(change.name);
  World world(path);
  const Inner inner(world);
  check_mounted(world, inner);
  change.make(world);
  world.wait_for_reports();
  check_mounted(world, inner);
}

TEST_CASE("What is mounted within the mount stays where reports were lost", "[inner_mounts]") {
  require_root();
  ReadPath path = each_read_path();
  if (path.back() == "--cache=never") {
    return;  // nothing is watched, and nothing forgotten
  }
  path.emplace_back("--cache=auto");
  World world(path);
  const Inner inner(world);
  overflow(world);
  check_mounted(world, inner);
}

TEST_CASE("What was mounted just after its directory was made stays", "[inner_mounts]") {
  require_root();
  const ReadPath path = each_read_path();
  World world(path);
  for (int round = 0; round < 50; ++round) {
    const std::string name = fmt::format("above/new-{}", round);
    if (round % 2 == 0) {
      std::filesystem::create_directory(world.source / name);
    } else {
      write_file(world.source / "crowd/new", "");
      std::filesystem::rename(world.source / "crowd/new", world.source / name);
    }
    const KernelMount bound = KernelMount::bind(
        world.source / (round % 2 == 0 ? "crowd" : "above/neighbour"), world.mount / name);
    world.wait_for_reports();
    CHECK(mounts_under(bound.path()).size() == 1);
  }
}

TEST_CASE("What is mounted within the mount follows a directory that is renamed on the source",
          "[inner_mounts]") {
  require_root();
  const ReadPath path = each_read_path();
  World world(path);
  const Inner inner(world);
  std::filesystem::rename(world.source / "above", world.source / "renamed");
  world.wait_for_reports();
  // By its new name before the old one.
  const Path volume = world.mount / "renamed/here/volume";
  REQUIRE(eventually([&] { return std::filesystem::exists(volume); }));
  CHECK(mounts_under(volume).size() == 1);
  CHECK(device_of(volume) != device_of(world.mount.root()));
  ::umount2(volume.c_str(), MNT_DETACH);
  ::umount2((world.mount / "renamed/here/file").c_str(), MNT_DETACH);
}

TEST_CASE("What is mounted on a directory goes when that is removed on the source",
          "[inner_mounts]") {
  require_root();
  const ReadPath path = each_read_path();
  World world(path);
  const Inner inner(world);
  std::filesystem::remove(world.source / "above/here/volume");
  std::filesystem::remove(world.source / "above/here/container");
  std::filesystem::remove(world.source / "above/here/file");
  world.wait_for_reports();
  for (const Path& gone : {inner.tmpfs.path(), inner.container.path(), inner.file.path()}) {
    CAPTURE(gone);
    CHECK(eventually([&] { return !std::filesystem::exists(gone); }));
  }
  CHECK(mounts_under(world.mount.root()).size() == 1);
}

}  // namespace
}  // namespace mmapdir::test
