// SPDX-License-Identifier: MIT
// Every changing operation gives on the mount the value or the errno that it gives on a directory,
// and leaves the same tree behind, on the source and in the mount's own eyes.

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>

#include "change_operations.h"
#include "change_tree.h"
#include "parity_answer.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

std::vector<std::string> groups_of(const Changes& changes) {
  std::vector<std::string> groups;
  for (const Change& change : changes) {
    if (std::ranges::find(groups, change.group) == groups.end()) {
      groups.push_back(change.group);
    }
  }
  return groups;
}

// A tree for each group of changes.
struct Stage {
  explicit Stage(const std::vector<std::string>& groups) {
    for (std::size_t i = 0; i < groups.size(); ++i) {
      make_change_tree(directory.path() / std::to_string(i), ordinary_user());
    }
    std::filesystem::create_directory(looked_at_from / "mnt");
  }

  // What became of each tree. Looking changes nothing that others see.
  std::vector<std::vector<std::string>> trees(std::size_t count) const {
    const auto quiet =
        KernelMount::bind_without_access_times(directory.path(), looked_at_from / "mnt");
    std::vector<std::vector<std::string>> described;
    described.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      described.push_back(describe_tree(quiet.path() / std::to_string(i)));
    }
    return described;
  }

  TemporaryDirectory directory;
  TemporaryDirectory looked_at_from;
};

// Carries the changes out beneath `root`, in a child, which can be any user: one line of output for
// each of them.
std::vector<std::string> answers(const Changes& changes, const Path& root, const User& user) {
  const auto groups = groups_of(changes);
  const Outcome outcome = run_function(
      [&] {
        ::umask(022);
        for (const Change& change : changes) {
          const auto group = std::ranges::find(groups, change.group) - groups.begin();
          (void)std::puts(change.make(root / std::to_string(group)).c_str());
        }
        return 0;
      },
      {.user = user});
  return lines_of(outcome, changes.size());
}

struct Truth {
  std::vector<std::string> answers;
  std::vector<std::vector<std::string>> trees;
};

// What a plain directory makes of the changes; found out once for all read paths.
const Truth& truth(const Changes& changes, const User& user) {
  static std::map<std::tuple<std::string, std::size_t, uid_t>, Truth> known;
  const auto [found, is_new] =
      known.try_emplace({changes.front().group, changes.size(), user.uid}, Truth{});
  if (is_new) {
    const auto groups = groups_of(changes);
    const Stage plain(groups);
    found->second.answers = answers(changes, plain.directory.path(), user);
    found->second.trees = plain.trees(groups.size());
  }
  return found->second;
}

std::string apart(const std::vector<std::string>& actual,
                  const std::vector<std::string>& expected) {
  return fmt::format("{}", fmt::join(lines_apart(actual, expected), "\n"));
}

void check_parity(const Changes& changes, const ReadPath& path, const User& user) {
  const Truth& expected = truth(changes, user);
  const auto groups = groups_of(changes);
  const Stage stage(groups);
  const Mount mount(stage.directory.path(), {.options = with_option(path, "-oallow_other")});
  const auto here = answers(changes, mount.root(), user);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(user.uid, changes[i].group, changes[i].name);
    CHECK(here[i] == expected.answers[i]);
  }
  const auto made = stage.trees(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto seen = describe_tree(mount / std::to_string(i));
    CAPTURE(user.uid, groups[i]);
    CHECK(apart(made[i], expected.trees[i]).empty());
    CHECK(apart(seen, made[i]).empty());
  }
}

User each_user() {
  require_ordinary_user();
  return GENERATE(User{}, ordinary_user());
}

TEST_CASE("Making, linking, renaming and removing do what they do on a directory",
          "[write_parity]") {
  Changes changes;
  add_name_changes(changes);
  const ReadPath path = each_read_path();
  check_parity(changes, path, each_user());
}

TEST_CASE("Modes, owners, times and attributes change as on a directory", "[write_parity]") {
  Changes changes;
  add_attribute_changes(changes);
  const ReadPath path = each_read_path();
  check_parity(changes, path, each_user());
}

TEST_CASE("Files are opened, written, cut and allocated as on a directory", "[write_parity]") {
  Changes changes;
  add_file_changes(changes);
  const ReadPath path = each_read_path();
  if (path.front() == "--read-path=passthrough") {
    std::erase_if(changes, [](const Change& change) {
      return change.group == "append taken back";  // see exceptions_test.cpp
    });
  }
  check_parity(changes, path, each_user());
}

TEST_CASE("What is made belongs to whom, and writing takes which bits, as on a directory",
          "[write_parity]") {
  Changes changes;
  add_ownership_changes(changes);
  const ReadPath path = each_read_path();
  const User user = each_user();
  if (path.front() == "--read-path=passthrough") {
    // Passed-through writes go in the name of nobody in particular: they take the bits that root's
    // own writes, or those of the file's group, would leave.
    std::erase_if(changes, [&](const Change& change) {
      return (change.group == "clear by write" || change.group == "clear by append") &&
             (user.uid == 0 || change.name == "sgid");
    });
  }
  check_parity(changes, path, user);
}

}  // namespace
}  // namespace mmapdir::test
