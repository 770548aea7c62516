// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

Result<void> check(int result, const char* action, const char* name) {
  if (result != 0) {
    return std::unexpected(Error::from_errno(errno, action, name));
  }
  return {};
}

}  // namespace

// Runs `make` (directory descriptor -> 0, or -1 and errno) as the caller, then looks its work up.
template <class Make>
Result<Entry> FileSystem::make_entry(NodeId parent, const char* name, mode_t mode,
                                     const Caller& caller, Make make) {
  const auto directory = reach_for_name(parent, name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  {
    const InGroupsOf in_groups(caller, (mode & S_ISGID) != 0);
    const ActingAs acting(caller);
    if (const auto made = check(make((*directory)->get()), "make", name); !made) {
      return std::unexpected(made.error());
    }
  }
  return entry_of(parent, (*directory)->get(), name);
}

Result<Entry> FileSystem::mknod(NodeId parent, const char* name, mode_t mode, dev_t device,
                                const Caller& caller) {
  return make_entry(parent, name, mode, caller,
                    [&](int directory) { return ::mknodat(directory, name, mode, device); });
}

Result<Entry> FileSystem::mkdir(NodeId parent, const char* name, mode_t mode,
                                const Caller& caller) {
  return make_entry(parent, name, mode, caller,
                    [&](int directory) { return ::mkdirat(directory, name, mode); });
}

Result<Entry> FileSystem::symlink(NodeId parent, const char* name, const char* target,
                                  const Caller& caller) {
  return make_entry(parent, name, 0, caller,
                    [&](int directory) { return ::symlinkat(target, directory, name); });
}

Result<Entry> FileSystem::link(NodeId node, NodeId new_parent, const char* new_name) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const auto directory = reach_for_name(new_parent, new_name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  // By the descriptor's link in /proc: AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH.
  const auto linked = check(::linkat(AT_FDCWD, ProcPath((*fd)->get()).c_str(), (*directory)->get(),
                                     new_name, AT_SYMLINK_FOLLOW),
                            "link", new_name);
  if (!linked) {
    return std::unexpected(linked.error());
  }
  return entry_of(new_parent, (*directory)->get(), new_name);
}

Result<void> FileSystem::unlink(NodeId parent, const char* name) {
  const auto directory = reach_for_name(parent, name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  return check(::unlinkat((*directory)->get(), name, 0), "remove", name);
}

Result<void> FileSystem::rmdir(NodeId parent, const char* name) {
  const auto directory = reach_for_name(parent, name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  return check(::unlinkat((*directory)->get(), name, AT_REMOVEDIR), "remove", name);
}

Result<void> FileSystem::rename(NodeId parent, const char* name, NodeId new_parent,
                                const char* new_name, unsigned flags, const Caller& caller) {
  const auto from = reach_for_name(parent, name);
  if (!from) {
    return std::unexpected(from.error());
  }
  const auto to = reach_for_name(new_parent, new_name);
  if (!to) {
    return std::unexpected(to.error());
  }
  std::optional<ActingAs> acting;
  if ((flags & RENAME_WHITEOUT) != 0) {
    acting.emplace(caller);  // the whiteout that is made is the caller's
  }
  auto renamed =
      check(::renameat2((*from)->get(), name, (*to)->get(), new_name, flags), "rename", name);
  acting.reset();
  if (renamed) {
    inodes_.note_name(new_parent, (*to)->get(), new_name);
    if ((flags & RENAME_EXCHANGE) != 0) {
      inodes_.note_name(parent, (*from)->get(), name);
    }
  }
  return renamed;
}

}  // namespace mmapdirfs
