// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <sstream>

#include "mounted/parity_answer.h"
#include "support/acl.h"
#include "support/files.h"
#include "world.h"

namespace mmapdir::test {
namespace {

// No set-id bits: which of them a passed-through write takes away has tests of its own.
constexpr std::array<mode_t, 12> kModes{0777, 0777, 0777, 0777, 0777,  0755,
                                        0755, 0666, 0644, 0600, 01777, 0000};
constexpr std::array<uid_t, 4> kOwners{static_cast<uid_t>(-1), 0, 65534, 1};
constexpr std::array kXattrs{"user.a", "user.a", "user.b", "trusted.a", "user.", "no.such"};

std::string change_mode(World& world, const Operation& op) {
  return said_of_path(world, op.path,
                      ::fchmodat(world.root.get(), op.path, choose(kModes, op.number), 0));
}

std::string change_mode_of_file(World& world, const Operation& op) {
  return said_of_file(world, op.slot, ::fchmod(world.file(op.slot), choose(kModes, op.number)));
}

std::string change_owner(World& world, const Operation& op) {
  return said_of_path(
      world, op.path,
      ::fchownat(world.root.get(), op.path, choose(kOwners, op.number),
                 choose(kOwners, op.number / 4), op.number % 3 == 0 ? AT_SYMLINK_NOFOLLOW : 0));
}

std::string change_owner_of_file(World& world, const Operation& op) {
  return said_of_file(
      world, op.slot,
      ::fchown(world.file(op.slot), choose(kOwners, op.number), choose(kOwners, op.number / 4)));
}

// Far away both ways, and the access time so far ahead that reading doesn't move it.
std::array<timespec, 2> times_of(const Operation& op) {
  constexpr timespec kPast{.tv_sec = 1'000'000'000, .tv_nsec = 123'456'789};
  constexpr timespec kAhead{.tv_sec = 4'102'444'800, .tv_nsec = 5};
  constexpr timespec kFarAhead{.tv_sec = 4'202'444'800, .tv_nsec = 7};
  constexpr timespec kNow{.tv_sec = 0, .tv_nsec = UTIME_NOW};
  constexpr timespec kOmitted{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
  constexpr std::array kAccessTimes{kPast, kFarAhead, kNow, kOmitted};
  constexpr std::array kModificationTimes{kPast, kAhead, kNow, kOmitted};
  return {choose(kAccessTimes, op.number), choose(kModificationTimes, op.number / 4)};
}

std::string change_times(World& world, const Operation& op) {
  return said(::utimensat(world.root.get(), op.path, times_of(op).data(),
                          op.number % 3 == 0 ? AT_SYMLINK_NOFOLLOW : 0));
}

std::string change_times_of_file(World& world, const Operation& op) {
  return said(::futimens(world.file(op.slot), times_of(op).data()));
}

std::string set_xattr(World& world, const Operation& op) {
  constexpr std::array<int, 4> kFlags{0, 0, XATTR_CREATE, XATTR_REPLACE};
  const std::string value = pattern(op.length % 300, static_cast<std::uint32_t>(op.number));
  return said(::lsetxattr((world.path / op.path).c_str(), choose(kXattrs, op.number), value.data(),
                          value.size(), choose(kFlags, op.number / 8)));
}

std::string set_xattr_of_file(World& world, const Operation& op) {
  return said(::fsetxattr(world.file(op.slot), choose(kXattrs, op.number), "value", 5, 0));
}

std::string get_xattr(World& world, const Operation& op) {
  std::string value(op.length % 400, '\0');
  return bytes_or_errno(::lgetxattr((world.path / op.path).c_str(), choose(kXattrs, op.number),
                                    value.data(), value.size()),
                        value);
}

std::string list_xattrs(World& world, const Operation& op) {
  std::string names(1'000, '\0');
  const ssize_t length = ::llistxattr((world.path / op.path).c_str(), names.data(), names.size());
  if (length < 0) {
    return errno_name(errno);
  }
  names.resize(static_cast<std::size_t>(length));
  std::istringstream stream(names);
  std::set<std::string> sorted;
  for (std::string name; std::getline(stream, name, '\0');) {
    sorted.insert(name);
  }
  return fmt::format("{}", fmt::join(sorted, " "));
}

std::string remove_xattr(World& world, const Operation& op) {
  constexpr std::array kNames{"user.a", "user.b", "trusted.a", kAclName, kDefaultAclName};
  return said_of_path(world, op.path,
                      ::lremovexattr((world.path / op.path).c_str(), choose(kNames, op.number)));
}

std::string set_access_list(World& world, const Operation& op) {
  const std::string acl = acl_for_reader(static_cast<uid_t>(op.number % 2 == 0 ? 1 : 65534));
  return said_of_path(
      world, op.path,
      ::lsetxattr((world.path / op.path).c_str(), op.number % 3 == 0 ? kDefaultAclName : kAclName,
                  acl.data(), acl.size(), 0));
}

}  // namespace

void add_attribute_operations(Kinds& kinds) {
  kinds.insert(kinds.end(),
               {{.name = "change mode", .weight = 20, .carry_out = change_mode},
                {.name = "change mode of file", .weight = 5, .carry_out = change_mode_of_file},
                {.name = "change owner", .weight = 10, .carry_out = change_owner},
                {.name = "change owner of file", .weight = 3, .carry_out = change_owner_of_file},
                {.name = "change times", .weight = 15, .carry_out = change_times},
                {.name = "change times of file", .weight = 8, .carry_out = change_times_of_file},
                {.name = "set xattr", .weight = 20, .carry_out = set_xattr},
                {.name = "set xattr of file", .weight = 5, .carry_out = set_xattr_of_file},
                {.name = "get xattr", .weight = 10, .carry_out = get_xattr},
                {.name = "list xattrs", .weight = 10, .carry_out = list_xattrs},
                {.name = "remove xattr", .weight = 10, .carry_out = remove_xattr},
                {.name = "set access list", .weight = 3, .carry_out = set_access_list}});
}

}  // namespace mmapdir::test
