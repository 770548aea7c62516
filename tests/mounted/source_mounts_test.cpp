// SPDX-License-Identifier: MIT
// File systems that are mounted inside the source, and unmounted from it, while the mount lives.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>

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

// Looks at all that there is, so that the kernel and the daemon keep what they keep.
void look_everywhere(const Path& root) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    struct stat found{};
    must(::lstat(entry.path().c_str(), &found), "lstat");
    if (S_ISREG(found.st_mode)) {
      read_file(entry.path());
    }
  }
  struct stat found{};
  CHECK(::lstat((root / "above/place/inside").c_str(), &found) == -1);
}

std::string content_of(const Path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? read_at(fd.get(), 100, 0) : "none";
}

// They are unmounted lazily, as they may just be in use.
TEST_CASE("A file system that is mounted inside the source is seen, and seen to go", "[sources]") {
  require_root();
  const ReadPath path = each_read_path_and_cache();
  const TemporaryDirectory source;
  std::filesystem::create_directories(source / "above/place/deeper");
  write_file(source / "above/place/hidden", "hidden");
  write_file(source / "above/file", "covered");
  const Mount mount(source.path(), {.options = path});
  look_everywhere(mount.root());
  {
    const KernelMount inner = KernelMount::tmpfs(source / "above/place");
    write_file(source / "above/place/inside", "inside");
    write_file(source / "bound", "bound");
    const KernelMount file = KernelMount::bind(source / "bound", source / "above/file");
    CHECK(eventually([&] { return content_of(mount / "above/place/inside") == "inside"; }));
    CHECK(eventually([&] { return content_of(mount / "above/file") == "bound"; }));
    CHECK(names_in(mount / "above/place") == names_in(source / "above/place"));
    write_file(mount / "above/place/written", "through the mount");
    CHECK(read_file(source / "above/place/written") == "through the mount");
  }
  CHECK(eventually([&] { return content_of(mount / "above/place/hidden") == "hidden"; }));
  CHECK(eventually([&] { return content_of(mount / "above/file") == "covered"; }));
  CHECK(names_in(source / "above/place") == std::vector<std::string>{"deeper", "hidden"});
  CHECK(names_in(mount / "above/place") == names_in(source / "above/place"));
}

}  // namespace
}  // namespace mmapdir::test
