// SPDX-License-Identifier: MIT
// Whatever several clients do to the mount, it answers what a plain directory answers, and stays
// the same as it.

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "check_model.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kModerate = 3'000;

void check_random_operations(Model::Setup setup, const Choice& choice = {}) {
  const std::uint64_t seed = test_seed();
  const auto clients = static_cast<unsigned>(setup.clients.size());
  INFO("repeat it with MMAPDIRFS_TEST_SEED=" << seed);
  const auto operations =
      random_operations(seed, test_steps(kModerate), clients, setup.mappings, choice);
  check_model(std::move(setup), operations);
}

// Two clients of root and an ordinary one.
void check_several_users(const ReadPath& path, Mappings mappings, const Choice& choice = {}) {
  require_ordinary_user();
  check_random_operations({.options = with_option(path, "-oallow_other"),
                           .mappings = mappings,
                           .clients = {std::nullopt, ordinary_user(), std::nullopt}},
                          choice);
}

TEST_CASE("Several clients' operations come to what they come to on a directory", "[model]") {
  check_several_users(each_read_path(), Mappings::kNone);
}

TEST_CASE("With files mapped, operations come to what they come to on a directory", "[model]") {
  check_several_users(each_read_path(), Mappings::kShared);
}

// Few kinds, so that what they do to each other comes about often.
std::vector<std::string_view> all_but(const std::vector<std::string_view>& kinds) {
  std::vector<std::string_view> others;
  for (const Kind& kind : kinds_of(Mappings::kNone)) {
    if (std::ranges::find(kinds, kind.name) == kinds.end()) {
      others.push_back(kind.name);
    }
  }
  return others;
}

TEST_CASE("Locks over several handles, forks and late closes exclude as on a directory",
          "[model]") {
  check_several_users(
      each_read_path(), Mappings::kNone,
      {.left_out = all_but({"open", "close", "duplicate", "flock", "lock range",
                            "lock range of description", "ask for lock", kFork, kEndChild, kCrash}),
       .paths = {"a", "a", "b"}});
}

TEST_CASE("Handles and mounts within outlive renames and forgetting as on a directory", "[model]") {
  check_several_users(
      each_read_path(), Mappings::kNone,
      {.left_out = all_but({"take handle", "open handle", "mount within", "unmount within", kForget,
                            "open", "close", "write", "rename", "link", "unlink", "make directory",
                            "remove directory", "look", "list", kCompare})});
}

TEST_CASE("On an ordinary user's mount operations come to what they come to on a directory",
          "[model]") {
  require_ordinary_user();
  const User user = ordinary_user();
  // Else nobody checks what the daemon's own user may: the source lets the daemon in.
  ReadPath path{"--read-path=mapped", "-odefault_permissions"};
  SECTION("mapped") {}
  SECTION("plain, with nothing cached") {
    path = {"--read-path=plain", "--cache=never", "-odefault_permissions"};
  }
  check_random_operations(
      {.options = path, .mappings = Mappings::kShared, .clients = {user, user}, .daemon = user},
      // A daemon that isn't root can't open a file anew, as locking takes it, that may be open but
      // not be opened any more: made read-only, say, when it was created.
      {.left_out = {"lock range", "lock range of description", "ask for lock", "flock"}});
}

}  // namespace
}  // namespace mmapdir::test
