// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
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

// What opens a file for writing breaks the leases on it, and keeps others from being taken while it
// has it open. Null where that fails for any other reason than a lease: then a truncation fails as
// well.
Result<UniqueFd> open_breaking_leases(const ProcPath& file) {
  UniqueFd writer(::open(file.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!writer && errno == EAGAIN) {
    return std::unexpected(Error::from_errno(EAGAIN, "truncate a file with a lease on it"));
  }
  return writer;
}

bool is_acl_name(std::string_view name) { return name.starts_with("system.posix_acl_"); }

bool is_directory(int fd) {
  struct stat found{};
  return ::fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
}

Result<std::size_t> list_names(const ProcPath& file, std::span<char> names) {
  const ssize_t n = ::listxattr(file.c_str(), names.data(), names.size());
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "list the attributes"));
  }
  return static_cast<std::size_t>(n);
}

Result<std::size_t> list_untrusted_names(const ProcPath& file, std::span<char> names) {
  std::string all(XATTR_LIST_MAX, '\0');
  const auto length = list_names(file, all);
  if (!length) {
    return length;
  }
  std::string_view left = std::string_view(all).substr(0, *length);
  std::string kept;
  while (!left.empty()) {
    // The last name has its zero byte too, unless the source's file system is broken.
    const auto name = left.substr(0, std::min(left.find('\0'), left.size() - 1) + 1);
    if (!name.starts_with("trusted.")) {
      kept += name;
    }
    left.remove_prefix(name.size());
  }
  if (names.empty()) {
    return kept.size();
  }
  if (kept.size() > names.size()) {
    return std::unexpected(Error::from_errno(ERANGE, "list the attributes"));
  }
  std::ranges::copy(kept, names.begin());
  return kept.size();
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
// file takes set-user-id bits away by who does it. A change of the owner goes by the caller's
// groups.
Result<Attributes> FileSystem::setattr(NodeId node, std::optional<HandleId> handle,
                                       const AttributeChange& change, const Caller& caller,
                                       OnLease on_lease) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const int target = (*fd)->get();
  if (change.size) {
    const InGroupsOf in_groups(caller, needs_groups(caller, target));
    const ActingAs acting(caller);
    if (auto done = truncate(target, handle, *change.size, on_lease); !done) {
      return std::unexpected(done.error());
    }
  }
  if (change.owner || change.group) {
    const InGroupsOf in_groups(caller, needs_groups(caller, target));
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

// Through the handle where there is one: it may write where a new open may not, and while it is
// open there are no leases. truncate() itself waits for leases, whatever it is told.
Result<void> FileSystem::truncate(int path_fd, std::optional<HandleId> handle, off_t size,
                                  OnLease on_lease) {
  int result = 0;
  if (handle) {
    const auto file = files_.find(*handle);
    if (!file) {
      return std::unexpected(file.error());
    }
    const auto fd = (*file)->descriptor.for_writing();
    if (!fd) {
      return std::unexpected(fd.error());
    }
    result = ::ftruncate((*fd)->get(), size);
  } else {
    const ProcPath path(path_fd);
    Result<UniqueFd> writer;
    if (on_lease == OnLease::kFail) {
      writer = open_breaking_leases(path);
    }
    if (!writer) {
      return std::unexpected(writer.error());
    }
    result = ::truncate(path.c_str(), size);
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
    return std::unexpected(
        Error::from_errno(errno_of_missing(name, errno), "get the attribute", name));
  }
  return static_cast<std::size_t>(n);
}

// A kernel that checks permissions asks for a file's ACL before it lets anybody in whom the mode
// alone doesn't settle, and takes any answer but ENODATA for the outcome (__fuse_get_acl,
// fs/fuse/acl.c, Linux 6.18). A file system without ACLs has none on any file.
int FileSystem::errno_of_missing(std::string_view name, int errnum) const {
  if (kernel_checks_permissions_ && errnum == EOPNOTSUPP && is_acl_name(name)) {
    return ENODATA;
  }
  const bool is_unused_label =
      labels_are_unused_ && errnum == ENODATA && name == "security.selinux";
  return is_unused_label ? EOPNOTSUPP : errnum;
}

Result<std::size_t> FileSystem::listxattr(NodeId node, std::span<char> names, XattrNames which) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const ProcPath file((*fd)->get());
  return which == XattrNames::kAll ? list_names(file, names) : list_untrusted_names(file, names);
}

// An ACL is set in the caller's name: it takes the set-group-id bit away from who isn't in the
// group. Where it isn't known who is, a directory keeps it, which gives nobody any rights.
Result<void> FileSystem::setxattr(NodeId node, const char* name, std::span<const char> value,
                                  int flags, const Caller& caller) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const bool is_acl = is_acl_name(name);
  const InGroupsOf in_groups(caller, is_acl && needs_groups(caller, (*fd)->get()));
  std::optional<ActingAs> acting;
  if (is_acl) {
    const bool stays = !caller.has_groups_of_source && is_directory((*fd)->get());
    acting.emplace(caller, stays ? SetIdBits::kStay : SetIdBits::kGoByUser);
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
