// SPDX-License-Identifier: MIT
#include "support/idmapped_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>

#include "support/files.h"
#include "support/process.h"

namespace mmapdir::test {
namespace {

void map_ids(pid_t process, const char* kind, id_t first, unsigned count) {
  const UniqueFd map = open_fd(fmt::format("/proc/{}/{}", process, kind), O_WRONLY);
  const std::string line = fmt::format("0 {} {}", first, count);
  must(::write(map.get(), line.data(), line.size()), "write to " + std::string(kind));
}

// Of a process that waits in it, since a namespace has to have been somebody's.
UniqueFd make_namespace(id_t first, unsigned count) {
  std::array<int, 2> ends{};
  must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  const UniqueFd ready(ends[0]);
  UniqueFd tells(ends[1]);
  const Process inside = Process::call([&] {
    must(::unshare(CLONE_NEWUSER), "unshare");
    must(::write(tells.get(), "x", 1), "write");
    return ::pause();
  });
  tells.reset();
  char byte = 0;
  if (must(::read(ready.get(), &byte, 1), "read") != 1) {
    throw std::runtime_error("no user namespace could be made");
  }
  map_ids(inside.pid(), "uid_map", first, count);
  map_ids(inside.pid(), "gid_map", first, count);
  return open_fd(fmt::format("/proc/{}/ns/user", inside.pid()), O_RDONLY);
}

UniqueFd clone_of(const std::filesystem::path& what) {
  return UniqueFd(must(::open_tree(AT_FDCWD, what.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
                       "open_tree " + what.string()));
}

int map_mount(int mount, const UserNamespace& users) {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<__u64>(users.fd());
  return ::mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

}  // namespace

UserNamespace::UserNamespace(id_t first, unsigned count) : fd_(make_namespace(first, count)) {}

void UserNamespace::enter_as(uid_t uid, gid_t gid) const {
  must(::setns(fd(), CLONE_NEWUSER), "setns");
  must(::setgroups(0, nullptr), "setgroups");
  must(::setresgid(gid, gid, gid), "setresgid");
  must(::setresuid(uid, uid, uid), "setresuid");
}

int IdmappedMount::try_to_map(const std::filesystem::path& what, const UserNamespace& users) {
  const UniqueFd clone = clone_of(what);
  return map_mount(clone.get(), users) == 0 ? 0 : errno;
}

IdmappedMount::IdmappedMount(const std::filesystem::path& what, const std::filesystem::path& where,
                             const UserNamespace& users)
    : path_(where) {
  const UniqueFd clone = clone_of(what);
  must(map_mount(clone.get(), users), "map the ids of " + what.string());
  must(::move_mount(clone.get(), "", AT_FDCWD, where.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
       "mount on " + where.string());
}

IdmappedMount::~IdmappedMount() { ::umount2(path_.c_str(), MNT_DETACH); }

}  // namespace mmapdir::test
