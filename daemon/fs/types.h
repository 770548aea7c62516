// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "mmapdir/result.h"
#include "support/unique_fd.h"

// The words that the file system and its adapter share. Everything here is a value type.
namespace mmapdirfs {

using mmapdir::Error;
using mmapdir::Result;
using mmapdir::UniqueFd;

// A descriptor that several requests may use at once; it is closed with its last user.
using SharedFd = std::shared_ptr<const UniqueFd>;

// An inode as the kernel names it: a generated number, never a pointer and never used twice.
enum class NodeId : std::uint64_t {};
inline constexpr NodeId kNoNode{0};
inline constexpr NodeId kRootNode{1};  // FUSE_ROOT_ID of the FUSE protocol

// An open file or directory as the kernel names it: a generated number, never used twice.
enum class HandleId : std::uint64_t {};

// A source file registered with the kernel for passthrough.
enum class BackingId : std::uint32_t {};
inline constexpr BackingId kNoBacking{0};

// A file on the source, as stat names it. It can be recycled once the file is deleted and closed.
struct SourceIdentity {
  dev_t device;
  ino_t inode;
  bool operator==(const SourceIdentity&) const = default;
};

// Attributes in the kernel's own form, since it alone holds the birth time. stx_ino is the number
// that the mount shows (see InodeNumbers).
using Attributes = struct statx;

// Which extended attributes a caller is told of. The kernel leaves it to each file system to hide
// trusted.* from who isn't privileged (xattr(7)); by name only a privileged caller gets at them.
enum class XattrNames { kAll, kWithoutTrusted };

// A name that was found: its inode, whose lookup count was raised by one, and its attributes.
struct Entry {
  NodeId node;
  Attributes attributes;
  bool is_watched = false;      // changes of the file are reported (see fs/source_watch.h)
  bool parent_watched = false;  // changes of the directory in which it was found are
  bool keeps_name = true;       // the kernel may find the name again without asking
  bool may_be_mapped = false;   // see fs/possible_mappings.h
};

// Whether programs may change the source through the mount.
enum class Access { kReadOnly, kReadWrite };

// What is done where another process holds a lease on a file that is to be opened or cut (fcntl,
// F_SETLEASE): either begins to break it.
enum class OnLease {
  kFail,  // with EAGAIN, at once
  kWait,  // until it is given up or has run out; EINTR after a signal
};

// How a file's bytes reach the reader; see README, "Read paths".
enum class ReadPath { kPassthrough, kMapped, kPlain };

// What open answered. `backing` is set in the passthrough path and there alone.
struct OpenedFile {
  HandleId handle;
  ReadPath path;
  BackingId backing;
  bool keep_pages;   // the pages that the kernel already has are this file's present bytes
  bool is_changing;  // others are writing it on the source
  // It may be mapped for writing from now on (see fs/possible_mappings.h), and couldn't before:
  // what the kernel knows of its attributes is to be forgotten.
  bool begins_to_be_mapped;
  // A close may have something to report, or record locks to give back (see FileSystem::flush).
  bool needs_flush;
};

// A file that was made and opened in one step.
struct CreatedFile {
  Entry entry;
  OpenedFile file;
};

// What setattr is to change; what isn't set stays.
struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  std::optional<off_t> size;
  timespec access_time{.tv_sec = 0, .tv_nsec = UTIME_OMIT};  // as utimensat takes them
  timespec modification_time{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
};

// How a write is to be done, as its request says. The flags are those of the program's descriptor
// as they are now, which fcntl may have changed since the open, and what pwritev2 was given beside.
struct WriteMode {
  int flags = 0;                 // O_APPEND, O_DSYNC, O_SYNC
  bool kill_privileges = false;  // writing takes set-user-id and set-group-id bits away
};

// Bytes to answer a read with, and what keeps them alive until the answer has left.
struct ReadView {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  bool is_passed_through = false;  // the file is in passthrough, where the kernel has no own pages
};

}  // namespace mmapdirfs

template <>
struct std::hash<mmapdirfs::SourceIdentity> {
  std::size_t operator()(const mmapdirfs::SourceIdentity& identity) const noexcept {
    // Inode numbers are dense: spread them with the golden ratio's bits (Knuth, TAOCP 3, 6.4).
    return (identity.inode ^ (identity.device << 48U)) * 0x9E3779B97F4A7C15ULL;
  }
};
