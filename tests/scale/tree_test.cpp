// SPDX-License-Identifier: MIT
// A tree of very many files: programs that walk all of it see what is there, and the daemon takes
// little for it and gives that back.

#include "scale/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "scale/daemon_figures.h"
#include "scale/kernel_caches.h"
#include "scale/sizes.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr std::uint64_t kBytesPerInode = 300;
constexpr std::uint64_t kThreads = 2U << 20U;  // stacks and buffers of those that are there now
constexpr std::size_t kMostDescriptors = 1'024;
constexpr Seconds kLimit{1'800};

struct Walk {
  const char* program;
  const char* command;  // for a shell in the tree's root
};

constexpr std::array kWalks{
    Walk{.program = "find", .command = "find . -printf '%y %m %s %p\\n' | LC_ALL=C sort"},
    Walk{.program = "ls", .command = "LC_ALL=C ls -lR ."},
    Walk{.program = "du", .command = "du -a . | LC_ALL=C sort -k 2"},
    Walk{.program = "rg", .command = "rg --files . | LC_ALL=C sort"},
};

std::string walk(const Walk& what, const std::filesystem::path& root,
                 const std::optional<User>& user) {
  const auto begin = std::chrono::steady_clock::now();
  Outcome outcome =
      run({"/bin/sh", "-c", fmt::format("cd '{}' && {}", root.string(), what.command)},
          {.user = user}, kLimit);
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  REQUIRE_FALSE(outcome.output.empty());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{:>5} of {}: {:.2f} s\n", what.program, root.string(), took.count());
  return std::move(outcome.output);
}

bool is_there(const char* program) {
  return run({"/bin/sh", "-c", fmt::format("command -v {}", program)}).status == 0;
}

void compare_walks(const std::filesystem::path& source, const std::filesystem::path& mount,
                   const std::optional<User>& user) {
  for (const Walk& each : kWalks) {
    if (!is_there(each.program)) {
      fmt::print("{} isn't there, and is left out\n", each.program);
      continue;
    }
    CAPTURE(each.command);
    CHECK(difference(walk(each, mount, user), walk(each, source, user)).empty());
  }
}

// `user` runs the daemon and the programs. `remembered` inodes at most stay known to the daemon
// when the kernel has forgotten them.
void walk_large_tree(const std::optional<User>& user, std::size_t remembered) {
  const Sizes size = sizes();
  const TemporaryDirectory source;
  make_tree(source.path(), size.files, size.directories);
  Mount mount(source.path(), {.user = user});
  const pid_t daemon = mount.daemon().pid();
  const std::uint64_t before = resident_memory(daemon);

  compare_walks(source.path(), mount.root(), user);
  const std::uint64_t after = resident_memory(daemon);
  const std::size_t used_descriptors = descriptors(daemon);
  const std::size_t inodes = size.files + size.directories;
  const std::uint64_t stays = std::min(inodes, remembered) * kBytesPerInode;
  const bool given_back = eventually([&] {
    drop_kernel_caches(kNamesAndInodes);  // what was used of late goes the second time
    return resident_memory(daemon) < before + kThreads + stays + ((after - before) / 4);
  });

  fmt::print(
      "{} inodes: {} bytes each, {} descriptors; memory {} kB at first, {} kB with all, {} kB "
      "once the kernel had forgotten\n",
      inodes, (after - before) / inodes, used_descriptors, before / 1'024, after / 1'024,
      resident_memory(daemon) / 1'024);
  CHECK(used_descriptors <= kMostDescriptors);
  if (!has_sanitizer()) {  // which has uses for memory of its own
    CHECK((after - before) / inodes <= kBytesPerInode);
    CHECK(given_back);
  }
}

TEST_CASE("A large tree is walked, and its memory given back, where files go by handle", "[tree]") {
  require_root();
  // README: so many file handles stay good. Of a tree that is no larger nothing is given back.
  walk_large_tree(std::nullopt, 32'768);
}

TEST_CASE("A large tree is walked, and its memory given back, where files go by name", "[tree]") {
  require_ordinary_user();
  walk_large_tree(ordinary_user(), 0);
}

}  // namespace
}  // namespace mmapdir::test
