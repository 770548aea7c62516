// SPDX-License-Identifier: MIT
#include "mount_options.h"

#include <algorithm>
#include <array>
#include <ranges>

namespace mmapdirfs {
namespace {

// Those that end in "=" take a value. mount.fuse3(8) and mount(8) describe them.
constexpr auto kPassed = std::to_array<std::string_view>({
    "ro",          "allow_other",   "default_permissions",
    "fsname=",     "subtype=",      "suid",
    "nosuid",      "dev",           "nodev",
    "exec",        "noexec",        "async",
    "sync",        "dirsync",       "noatime",
    "nodiratime",  "nostrictatime", "symfollow",
    "nosymfollow", "context=",      "fscontext=",
    "defcontext=", "rootcontext=",
});

// `rw` is what mount(8) says when nothing is said, and what holds then.
constexpr auto kIgnored = std::to_array<std::string_view>({
    "rw",          "atime",    "defaults",   "auto",     "noauto",  "user",     "nouser",
    "users",       "owner",    "group",      "nofail",   "_netdev", "relatime", "norelatime",
    "strictatime", "lazytime", "nolazytime", "diratime", "user=",   "comment=", "nonempty",
});

constexpr auto kIgnoredPrefixes = std::to_array<std::string_view>({"x-", "X-"});

bool matches(std::string_view option, std::string_view name) {
  return name.ends_with('=') ? option.starts_with(name) && option.size() > name.size()
                             : option == name;
}

}  // namespace

std::vector<std::string> split_mount_options(std::string_view list) {
  std::vector<std::string> options(1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == ',') {
      options.emplace_back();
    } else if (list[i] == '\\' && i + 1 < list.size()) {
      options.back().push_back(list[++i]);
    } else {
      options.back().push_back(list[i]);
    }
  }
  std::erase(options, "");
  return options;
}

MountOptionKind kind_of_mount_option(std::string_view option) {
  const auto is = [option](std::string_view name) { return matches(option, name); };
  if (std::ranges::any_of(kPassed, is)) {
    return MountOptionKind::kPassed;
  }
  const auto starts = [option](std::string_view prefix) { return option.starts_with(prefix); };
  if (std::ranges::any_of(kIgnored, is) || std::ranges::any_of(kIgnoredPrefixes, starts)) {
    return MountOptionKind::kIgnored;
  }
  return MountOptionKind::kUnknown;
}

std::string known_mount_options() {
  std::string text;
  for (const auto name : kPassed) {
    text.append(text.empty() ? "" : ", ").append(name);
  }
  return text;
}

}  // namespace mmapdirfs
