// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

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

Result<std::size_t> FileSystem::listxattr(NodeId node, std::span<char> names, XattrNames which) {
  const auto fd = reach(node);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const ProcPath file((*fd)->get());
  return which == XattrNames::kAll ? list_names(file, names) : list_untrusted_names(file, names);
}

}  // namespace mmapdirfs
