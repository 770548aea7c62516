// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mmapdirfs {

// What the kernel may ask for, by libfuse's names.
enum class OperationKind : std::uint8_t {
  kLookup,
  kForget,
  kForgetMulti,
  kGetattr,
  kSetattr,
  kStatx,
  kAccess,
  kReadlink,
  kMknod,
  kMkdir,
  kSymlink,
  kLink,
  kUnlink,
  kRmdir,
  kRename,
  kOpen,
  kCreate,
  kTmpfile,
  kRead,
  kWrite,
  kFallocate,
  kCopyFileRange,
  kLseek,
  kFsync,
  kFlush,
  kRelease,
  kOpendir,
  kReaddir,
  kReaddirplus,
  kFsyncdir,
  kReleasedir,
  kStatfs,
  kGetxattr,
  kListxattr,
  kSetxattr,
  kRemovexattr,
  kGetlk,
  kSetlk,
  kFlock,
  kIoctl,
};

// In the order of the kinds.
inline constexpr auto kOperationNames = std::to_array<std::string_view>(
    {"lookup",          "forget",   "forget_multi", "getattr", "setattr",  "statx",     "access",
     "readlink",        "mknod",    "mkdir",        "symlink", "link",     "unlink",    "rmdir",
     "rename",          "open",     "create",       "tmpfile", "read",     "write",     "fallocate",
     "copy_file_range", "lseek",    "fsync",        "flush",   "release",  "opendir",   "readdir",
     "readdirplus",     "fsyncdir", "releasedir",   "statfs",  "getxattr", "listxattr", "setxattr",
     "removexattr",     "getlk",    "setlk",        "flock",   "ioctl"});

inline constexpr std::size_t kOperationKinds = kOperationNames.size();

constexpr std::size_t index_of(OperationKind kind) { return static_cast<std::size_t>(kind); }

constexpr std::string_view name_of(OperationKind kind) { return kOperationNames[index_of(kind)]; }

static_assert(name_of(OperationKind::kIoctl) == "ioctl");

}  // namespace mmapdirfs
