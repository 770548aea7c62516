// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

// The names, each with its NUL.
Result<std::string> list_attributes(int fd) {
  std::string names(XATTR_LIST_MAX, '\0');  // the kernel's own limit
  const ssize_t n = ::listxattr(ProcPath(fd).c_str(), names.data(), names.size());
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "list the attributes"));
  }
  names.resize(static_cast<std::size_t>(n));
  return names;
}

std::string without_trusted(std::string_view names) {
  std::string kept;
  while (!names.empty()) {
    const auto name = names.substr(0, names.find('\0') + 1);
    if (!name.starts_with("trusted.")) {
      kept.append(name);
    }
    names.remove_prefix(name.size());
  }
  return kept;
}

}  // namespace

Result<Attributes> FileSystem::getattr(NodeId node) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  auto attributes = Source::attributes((*fd)->get());
  if (attributes) {
    show(*attributes);
  }
  return attributes;
}

// Whether the caller may has been checked. Only the size goes in the caller's name: truncating a
// file takes set-user-id bits away by who does it.
Result<Attributes> FileSystem::setattr(NodeId node, std::optional<HandleId> handle,
                                       const AttributeChange& change, const Caller& caller) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  if (change.size) {
    const ActingAs acting(caller);
    if (auto done = truncate((*fd)->get(), handle, *change.size); !done) {
      return std::unexpected(done.error());
    }
  }
  const int target = (*fd)->get();
  if (change.owner || change.group) {
    constexpr auto kUnchanged = static_cast<uid_t>(-1);
    if (::fchownat(target, "", change.owner.value_or(kUnchanged), change.group.value_or(kUnchanged),
                   AT_EMPTY_PATH) != 0) {
      return std::unexpected(Error::from_errno(errno, "change the owner"));
    }
  }
  // After the owner, which takes bits of the mode away.
  if (change.mode && ::fchmodat(AT_FDCWD, ProcPath(target).c_str(), *change.mode, 0) != 0) {
    return std::unexpected(Error::from_errno(errno, "change the mode"));
  }
  const std::array times = {change.access_time, change.modification_time};
  const bool sets_times = times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT;
  if (sets_times && ::utimensat(target, "", times.data(), AT_EMPTY_PATH) != 0) {
    return std::unexpected(Error::from_errno(errno, "set the times"));
  }
  return getattr(node);
}

// Through the handle where there is one: it may write where a new open may not.
Result<void> FileSystem::truncate(int path_fd, std::optional<HandleId> handle, off_t size) {
  int result = 0;
  if (handle) {
    const auto file = files_.find(*handle);
    if (!file) {
      return std::unexpected(file.error());
    }
    result = ::ftruncate((*file)->fd->get(), size);
  } else {
    result = ::truncate(ProcPath(path_fd).c_str(), size);
  }
  if (result != 0) {
    return std::unexpected(Error::from_errno(errno, "truncate"));
  }
  return {};
}

// Asked only where the kernel doesn't check permissions itself; the caller is then the daemon's
// own user, whose effective ids the answer goes by.
Result<void> FileSystem::access(NodeId node, int mask) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  if (::faccessat(AT_FDCWD, ProcPath((*fd)->get()).c_str(), mask, AT_EACCESS) != 0) {
    return std::unexpected(Error::from_errno(errno, "access"));
  }
  return {};
}

Result<struct statvfs> FileSystem::statfs(NodeId node) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  struct statvfs result{};
  if (::fstatvfs((*fd)->get(), &result) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat the file system"));
  }
  return result;
}

// fgetxattr refuses O_PATH descriptors. A link of /proc/self/fd ends at the file itself, also where
// that is a symlink.
Result<std::size_t> FileSystem::getxattr(NodeId node, const char* name, std::span<char> value) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const ssize_t n = ::getxattr(ProcPath((*fd)->get()).c_str(), name, value.data(), value.size());
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "get the attribute", name));
  }
  return static_cast<std::size_t>(n);
}

// The names of trusted attributes are shown to root alone, as on the source; the kernel checks only
// who reads their values.
Result<std::size_t> FileSystem::listxattr(NodeId node, std::span<char> names,
                                          const Caller& caller) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  auto all = list_attributes((*fd)->get());
  if (!all) {
    return std::unexpected(all.error());
  }
  if (caller.uid != 0) {
    *all = without_trusted(*all);
  }
  if (!names.empty() && names.size() < all->size()) {
    return std::unexpected(Error::from_errno(ERANGE, "list the attributes"));
  }
  std::copy_n(all->begin(), std::min(names.size(), all->size()), names.begin());
  return all->size();
}

// An ACL is set in the caller's name: it takes the set-group-id bit away from who isn't in the
// group.
Result<void> FileSystem::setxattr(NodeId node, const char* name, std::span<const char> value,
                                  int flags, const Caller& caller) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  std::optional<ActingAs> acting;
  if (std::string_view(name).starts_with("system.posix_acl_")) {
    acting.emplace(caller);
  }
  if (::setxattr(ProcPath((*fd)->get()).c_str(), name, value.data(), value.size(), flags) != 0) {
    return std::unexpected(Error::from_errno(errno, "set the attribute", name));
  }
  return {};
}

Result<void> FileSystem::removexattr(NodeId node, const char* name) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  if (::removexattr(ProcPath((*fd)->get()).c_str(), name) != 0) {
    return std::unexpected(Error::from_errno(errno, "remove the attribute", name));
  }
  return {};
}

}  // namespace mmapdirfs
