// SPDX-License-Identifier: MIT
// What the source's mount forbids, the mount forbids as well.

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
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

int errno_of_executing(const Path& program) {
  return run_function([&] {
           ::execl(program.c_str(), program.c_str(), nullptr);
           return errno;
         })
      .status;
}

unsigned long flags_of(const Path& path) {
  struct statvfs found{};
  must(::statvfs(path.c_str(), &found), "statvfs");
  return found.f_flag & (ST_NOEXEC | ST_NOSUID | ST_NODEV | ST_RDONLY);
}

void make_program(const Path& directory) {
  std::filesystem::copy_file("/bin/true", directory / "program");
}

// A directory of which a bind mount, the source, forbids something.
struct Forbidding {
  explicit Forbidding(unsigned long flags)
      : source(KernelMount::bind_with_flags(made("bytes"), made("source"), flags)) {
    make_program(all / "bytes");
  }

  Path made(const char* name) const {
    std::filesystem::create_directory(all / name);
    return all / name;
  }

  TemporaryDirectory all;
  KernelMount source;
};

TEST_CASE("What the source's mount forbids to execute isn't executed on the mount either",
          "[sources]") {
  require_root();
  const ReadPath path = each_read_path();
  const Forbidding forbidding(MS_NOEXEC | MS_NOSUID | MS_NODEV);
  REQUIRE(errno_of_executing(forbidding.source.path() / "program") == EACCES);
  const Mount mount(forbidding.source.path(), {.options = path});
  CHECK(errno_of_executing(mount / "program") == EACCES);
  CHECK(flags_of(mount.root()) == flags_of(forbidding.source.path()));
  CHECK(mount.log().contains("mounted noexec,nosuid,nodev, and so is the mount"));
}

TEST_CASE("Options allow what the source's mount forbids", "[sources]") {
  require_root();
  const Forbidding forbidding(MS_NOEXEC | MS_NOSUID | MS_NODEV);
  const Mount mount(forbidding.source.path(), {.options = {"-o", "exec,suid,dev"}});
  CHECK(errno_of_executing(mount / "program") == 0);
  CHECK(flags_of(mount.root()) == 0);
  CHECK_FALSE(mount.log().contains("and so is the mount"));
}

TEST_CASE("A source that is mounted read-only is so on the mount", "[sources]") {
  require_root();
  const Forbidding forbidding(0);
  REQUIRE(forbidding.source.try_to_make(KernelMount::Writability::kReadOnly));
  const Mount mount(forbidding.source.path());
  CHECK((flags_of(mount.root()) & ST_RDONLY) != 0);
  CHECK(errno_of_executing(mount / "program") == 0);
}

TEST_CASE("A file system inside the source that forbids to execute does so on the mount",
          "[sources]") {
  require_root();
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const TemporaryDirectory inner;
  make_program(source.path());
  make_program(inner.path());
  std::filesystem::create_directory(source / "inner");
  const KernelMount nested =
      KernelMount::bind_with_flags(inner.path(), source / "inner", MS_NOEXEC);
  const bool allows = GENERATE(false, true);
  const Mount mount(source.path(), {.options = allows ? with_option(path, "-oexec") : path});
  REQUIRE(errno_of_executing(source / "inner/program") == EACCES);
  CHECK(errno_of_executing(mount / "inner/program") == (allows ? 0 : EACCES));
  CHECK(errno_of_executing(mount / "program") == 0);
  CHECK_FALSE(read_file(mount / "inner/program").empty());
}

}  // namespace
}  // namespace mmapdir::test
