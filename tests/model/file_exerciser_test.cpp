// SPDX-License-Identifier: MIT
// One file, read and changed in every way in one long row, holds what its model holds.

#include "file_exerciser.h"

#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kModerate = 10'000;

void exercise(const ReadPath& path, const Exercise& how) {
  const std::uint64_t seed = test_seed();
  const std::size_t steps = test_steps(kModerate);
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = path});
  write_file(source / "file", "");
  FileExerciser exerciser(mount / "file", source / "file", seed, how);
  INFO("repeat it with MMAPDIRFS_TEST_SEED=" << seed);
  for (std::size_t step = 0; step <= steps; ++step) {
    std::string wrong = exerciser.step();
    if (wrong.empty() && (step % 500 == 0 || step == steps)) {
      wrong = exerciser.check_all();
    }
    if (!wrong.empty()) {
      INFO(exerciser.history());
      FAIL("step " << step << ": " << wrong);
    }
  }
  SUCCEED();
}

TEST_CASE("A file that is changed through the mount in every way is what it must be",
          "[exerciser]") {
  exercise(each_read_path(), {});
}

TEST_CASE("A file that is changed through the mount and on the source is what it must be",
          "[exerciser]") {
  SECTION("passthrough") {
    require_passthrough();
    exercise({"--read-path=passthrough"}, {.changes_on_source = true});
  }
  SECTION("with nothing cached") {
    // A page that a program has mapped stays as it was read.
    exercise({"--read-path=mapped", "--cache=never"}, {.changes_on_source = true, .maps = false});
  }
  SECTION("plain, with nothing cached") {
    exercise({"--read-path=plain", "--cache=never"}, {.changes_on_source = true, .maps = false});
  }
}

}  // namespace
}  // namespace mmapdir::test
