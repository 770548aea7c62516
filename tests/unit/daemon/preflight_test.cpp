// SPDX-License-Identifier: MIT
// What is refused before anything is mounted.

#include "preflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <optional>
#include <string>

#include "support/kernel_mount.h"
#include "support/requirements.h"
#include "unit/daemon/credentials.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using mmapdir::test::KernelMount;

// Two directories side by side.
struct Places {
  Places() {
    std::filesystem::create_directories(path("source/inner"));
    std::filesystem::create_directories(path("mountpoint/inner"));
  }

  std::string path(std::string_view name) const { return (directory / name).string(); }

  std::expected<MountPlan, StartError> check(const std::string& source,
                                             const std::string& mountpoint) const {
    Options options;
    options.source = path(source);
    options.mountpoint = path(mountpoint);
    return check_mount(options);
  }

  // The message of the refusal; empty where there is none.
  std::string refusal(const std::string& source, const std::string& mountpoint) const {
    const auto checked = check(source, mountpoint);
    return checked ? std::string() : checked.error().message;
  }

  TemporaryDirectory directory;
};

// Takes every program out of PATH. Not with other threads at work.
class NoPrograms {
 public:
  NoPrograms() : path_(mmapdir::test::environment("PATH")) {
    ::setenv("PATH", "/nonexistent", 1);  // NOLINT(concurrency-mt-unsafe)
  }
  NoPrograms(const NoPrograms&) = delete;
  NoPrograms& operator=(const NoPrograms&) = delete;
  ~NoPrograms() {
    ::setenv("PATH", path_.value_or("").c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
  }

 private:
  const std::optional<std::string> path_;
};

// Whether a refusal is one of the machine's rather than of the directories.
void require_usable_fuse() {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    mmapdir::test::skip("/dev/fuse can't be opened, so every mount is refused");
  }
}

TEST_CASE("Two directories apart are accepted, under their canonical names", "[preflight]") {
  require_usable_fuse();
  const Places places;
  std::filesystem::create_directory_symlink("source", places.directory / "link");
  const auto plan = places.check("link/../source/.", "mountpoint//");
  REQUIRE(plan);
  CHECK(plan->source == std::filesystem::canonical(places.path("source")));
  CHECK(plan->mountpoint == std::filesystem::canonical(places.path("mountpoint")));
  CHECK_FALSE(plan->is_mounted);
  struct stat root{};
  struct stat source{};
  must(::fstat(plan->root.get(), &root), "fstat");
  must(::stat(places.path("source").c_str(), &source), "stat");
  CHECK(root.st_ino == source.st_ino);
}

TEST_CASE("A source or mount point that isn't there is refused by name", "[preflight]") {
  const Places places;
  const auto no_source = places.refusal("absent", "mountpoint");
  CHECK(no_source.starts_with("source '" + places.path("absent") + "'"));
  CHECK(no_source.contains("No such file or directory"));
  const auto no_mountpoint = places.refusal("source", "absent");
  CHECK(no_mountpoint.starts_with("mount point '" + places.path("absent") + "'"));
  CHECK(no_mountpoint.contains("No such file or directory"));
}

TEST_CASE("An empty path is refused like one that isn't there", "[preflight]") {
  const Places places;
  Options options;
  options.mountpoint = places.path("mountpoint");
  const auto checked = check_mount(options);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().message.contains("source ''"));
}

TEST_CASE("A source or mount point that is no directory is refused by name", "[preflight]") {
  const Places places;
  write_file(places.directory / "file", "");
  const auto source = places.refusal("file", "mountpoint");
  CHECK(source.starts_with("source '"));
  CHECK(source.contains("Not a directory"));
  const auto mountpoint = places.refusal("source", "file");
  CHECK(mountpoint.starts_with("mount point '"));
  CHECK(mountpoint.contains("Not a directory"));
}

TEST_CASE("A symlink that leads round in a circle is refused", "[preflight]") {
  const Places places;
  std::filesystem::create_symlink("circle", places.directory / "circle");
  CHECK(places.refusal("circle", "mountpoint").contains("Too many levels of symbolic links"));
}

TEST_CASE("A source that can't be read is refused", "[preflight]") {
  mmapdir::test::require_root();  // to become somebody else
  const Places places;
  must(::chmod(places.path("source").c_str(), 0700), "chmod");
  std::string message;
  as_ordinary_user([&] { message = places.refusal("source", "mountpoint"); });
  CHECK(message.starts_with("source '"));
  CHECK(message.contains("Permission denied"));
}

TEST_CASE("Source and mount point inside each other are refused", "[preflight]") {
  const Places places;
  for (const auto& [source, mountpoint] :
       {std::pair("source", "source"), std::pair("source", "source/inner"),
        std::pair("mountpoint/inner", "mountpoint"), std::pair("source/inner/..", "source")}) {
    CAPTURE(source, mountpoint);
    CHECK(places.refusal(source, mountpoint).contains("one inside the other"));
  }
}

TEST_CASE("A symlink doesn't hide that one lies inside the other", "[preflight]") {
  const Places places;
  std::filesystem::create_directory_symlink("source/inner", places.directory / "link");
  CHECK(places.refusal("source", "link").contains("one inside the other"));
  CHECK(places.refusal("link", "source").contains("one inside the other"));
}

TEST_CASE("Names that only begin alike lie apart", "[preflight]") {
  require_usable_fuse();
  const Places places;
  std::filesystem::create_directory(places.directory / "source-too");
  CHECK(places.refusal("source", "source-too").empty());
}

TEST_CASE("A bind mount doesn't hide that one lies inside the other", "[preflight]") {
  mmapdir::test::require_root();  // to mount
  const Places places;
  std::filesystem::create_directory(places.directory / "bound");
  SECTION("the source itself, elsewhere") {
    const KernelMount bound = KernelMount::bind(places.path("source"), places.path("bound"));
    CHECK(places.refusal("source", "bound").contains("one inside the other"));
    CHECK(places.refusal("source", "bound/inner").contains("one inside the other"));
  }
  SECTION("the mount point's parent, elsewhere") {
    const KernelMount bound = KernelMount::bind(places.path("mountpoint"), places.path("bound"));
    CHECK(places.refusal("bound", "mountpoint/inner").contains("one inside the other"));
  }
}

TEST_CASE("A file system of another kind on the mount point is no hindrance", "[preflight]") {
  require_usable_fuse();
  mmapdir::test::require_root();  // to mount
  const Places places;
  const KernelMount tmpfs = KernelMount::tmpfs(places.path("mountpoint"));
  const auto plan = places.check("source", "mountpoint");
  REQUIRE(plan);
  CHECK_FALSE(plan->is_mounted);
}

TEST_CASE("A machine without /dev/fuse is refused with what to do", "[preflight]") {
  mmapdir::test::require_root();  // to hide the device
  const Places places;
  std::string message;
  in_thread([&] {
    mmapdir::test::enter_private_mount_namespace();
    const KernelMount empty = KernelMount::tmpfs("/dev");
    message = places.refusal("source", "mountpoint");
  });
  CHECK(message.starts_with("/dev/fuse: No such file or directory"));
  CHECK(message.contains("modprobe fuse"));
}

TEST_CASE("A /dev/fuse that can't be opened is refused with the mode that it needs",
          "[preflight]") {
  mmapdir::test::require_root();  // to put another in its place
  const Places places;
  std::string message;
  in_thread([&] {
    mmapdir::test::enter_private_mount_namespace();
    const KernelMount devices = KernelMount::tmpfs("/dev");
    write_file("/dev/fuse", "", 0600);
    as_ordinary_user([&] { message = places.refusal("source", "mountpoint"); });
  });
  CHECK(message.starts_with("/dev/fuse: Permission denied"));
  CHECK(message.contains("0666"));
}

TEST_CASE("An ordinary user without fusermount3 is told which package has it", "[preflight]") {
  mmapdir::test::require_root();  // to become somebody else
  mmapdir::test::require_fuse();
  const Places places;
  std::string message;
  {
    const NoPrograms nothing_in_path;
    as_ordinary_user([&] { message = places.refusal("source", "mountpoint"); });
    CHECK(places.refusal("source", "mountpoint").empty());  // root does without
  }
  CHECK(message.contains("fusermount3 isn't in PATH"));
  CHECK(message.contains("fuse3"));
}

TEST_CASE("A source on overlayfs is stacked, one on a disk or in memory isn't", "[preflight]") {
  mmapdir::test::require_root();  // to mount
  const Places places;
  const KernelMount memory = KernelMount::tmpfs(places.path("source"));
  CHECK_FALSE(is_stacked(open_directory(places.path("source")).get()));
  for (const char* name : {"source/lower", "source/upper", "source/work"}) {
    std::filesystem::create_directory(places.path(name));
  }
  const KernelMount overlay = KernelMount::overlay(places.path("mountpoint"),
                                                   "lowerdir=" + places.path("source/lower") +
                                                       ",upperdir=" + places.path("source/upper") +
                                                       ",workdir=" + places.path("source/work"));
  CHECK(is_stacked(open_directory(places.path("mountpoint")).get()));
}

}  // namespace
}  // namespace mmapdirfs::test
