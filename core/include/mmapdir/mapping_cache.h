// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mmapdir/advice.h"
#include "mmapdir/result.h"

namespace mmapdir {

// A whole file, mapped read-only and shared. Immutable; threads may share it. It lives as long as
// somebody holds a MappingRef to it, also after the file was deleted, replaced or the cache gone.
class Mapping {
 public:
  virtual ~Mapping() = default;

  // The file's bytes as it was long when it was mapped; empty for an empty file.
  //
  // HAZARD: another process can truncate the file. Touching a byte beyond its end then raises
  // SIGBUS. Copy with guarded_copy() wherever the source isn't known to be left alone.
  virtual std::span<const std::byte> bytes() const = 0;
};

using MappingRef = std::shared_ptr<const Mapping>;

// How much the cache may hold. Both bounds count busy and idle mappings; only idle ones can make
// room, so a request that finds nothing idle fails, and its caller falls back to pread.
struct MappingLimits {
  // Mappings at most. Each is one VMA or more, and the process's total is bounded by
  // vm.max_map_count (65,530 by default; Documentation/admin-guide/sysctl/vm.rst).
  std::size_t max_mappings;
  // Address space at most, in bytes.
  std::uint64_t max_bytes;

  // Half of vm.max_map_count, leaving the rest to the program and its libraries; a quarter of the
  // 47-bit user address space.
  static MappingLimits from_system();
};

// Counted since the cache was made, but for the last two, which are now.
struct MappingCounters {
  std::uint64_t hits = 0;       // found, and long enough
  std::uint64_t misses = 0;     // not found; mapped, or refused
  std::uint64_t remaps = 0;     // found, but out of date (mostly: the file had grown); likewise
  std::uint64_t evictions = 0;  // idle mappings unmapped to make room
  std::uint64_t refusals = 0;   // no mapping to be had: bounds, memory, or the file system
  std::size_t mappings = 0;     // busy and idle, now
  std::uint64_t mapped_bytes = 0;
};

// A file that a cache has mapped, at the moment of asking. A value type.
struct MappedFile {
  dev_t device;
  ino_t inode;
  std::uint64_t bytes;  // mapped
  // Where the mapping begins, to find it in /proc/self/maps; it may be gone already, and another
  // one in its place.
  std::uintptr_t address;
};

// A cache of whole-file mappings, shared by every reader of a process.
//
// Keyed by identity (device, inode), never by path: a file replaced by rename gets a mapping of its
// own, while views of the old file stay what they were. A mapping pins its inode, so the key can't
// be recycled while it is in use. Where the file system doesn't promise that (overlayfs after a
// copy-up, network and FUSE file systems), a mapping is only found again while the file's ctime is
// what it was.
//
// All methods may be called from any thread. Concurrent misses of one file map it once. No lock is
// held while the kernel maps or unmaps, except the one of the file in question.
class MappingCache {
 public:
  explicit MappingCache(MappingLimits limits = MappingLimits::from_system());
  MappingCache(const MappingCache&) = delete;
  MappingCache& operator=(const MappingCache&) = delete;
  ~MappingCache();

  // A mapping that covers at least the file's present size. `fd` must be open for reading and is
  // only borrowed for the call. One that is made by this call is given the advice; one that is
  // found keeps its own.
  //
  // Errors: EAGAIN when the bounds are reached and nothing is idle; else what fstat or mmap said
  // (ENODEV where the file system or the file's type can't be mapped, ENOMEM, EACCES for an
  // O_WRONLY descriptor). Each is a reason to pread instead, none means that the file is
  // unreadable.
  Result<MappingRef> acquire(int fd, Advice advice = Advice::kNormal);

  // Forgets the mapping of one file, if there is any: now if it is idle, else when its last
  // MappingRef goes. A mapping keeps a deleted file's blocks on the disk.
  void forget(dev_t device, ino_t inode);

  // Forgets every idle mapping now, and each busy one when its last MappingRef goes.
  void clear();

  MappingCounters counters() const;

  // The files that acquire() can find mapped, busy or idle, in no order. Takes time by their
  // number, for which the others wait.
  std::vector<MappedFile> mapped_files() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace mmapdir
