// SPDX-License-Identifier: MIT
#include <sys/mount.h>

#include <string_view>

#include "support/kernel_mount.h"
#include "world.h"

namespace mmapdir::test {
namespace {

// Calls by path and calls by descriptor would part where the world's own top is mounted on.
bool leads_below(const char* path) { return std::string_view(path) != "."; }

// Few, so that what lies beneath them is seen as well.
bool has_room(const World& world) {
  constexpr std::size_t kMost = 3;
  return mounts_under(world.path).size() < kMost;
}

std::string mount_within(World& world, const Operation& op) {
  if (!leads_below(op.path) || !has_room(world)) {
    return "not here";
  }
  const auto place = world.path / op.path;
  return said(::mount("none", place.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0777"));
}

std::string unmount_within(World& world, const Operation& op) {
  return leads_below(op.path) ? said(::umount2((world.path / op.path).c_str(), UMOUNT_NOFOLLOW))
                              : "not here";
}

}  // namespace

void add_mount_operations(Kinds& kinds) {
  kinds.insert(kinds.end(),
               {{.name = "mount within", .weight = 4, .carry_out = mount_within},
                {.name = "unmount within", .weight = 12, .carry_out = unmount_within}});
}

}  // namespace mmapdir::test
