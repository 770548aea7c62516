// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "available_memory.h"
#include "mmapdir/byte_range.h"

namespace mmapdir {

// Locks mapped files into memory, as long as enough of it is left: what is locked can't make room
// any more, and a process that fills its cgroup with such pages is killed by the kernel. Borrows
// the memory. For one thread.
class MemoryLocker {
 public:
  MemoryLocker(const AvailableMemory& memory, std::stop_token stop)
      : memory_(memory), stop_(std::move(stop)), at_start_(memory.now().bytes) {}

  struct Outcome {
    std::uint64_t locked = 0;  // bytes from the range's offset on
    std::string reason{};      // why no more; empty if that was all
  };

  // `file` is the mapping of `fd`'s file, `range` a part of it that begins at a page. The locked
  // pages are in memory on return.
  Outcome lock(int fd, std::span<const std::byte> file, ByteRange range);

  static void unlock(std::span<const std::byte> file);

 private:
  std::string lock_next(int fd, std::span<const std::byte> file, ByteRange& rest);
  std::optional<std::string> find_bound(std::uint64_t& length) const;

  const AvailableMemory& memory_;
  const std::stop_token stop_;
  const std::uint64_t at_start_;    // bytes available
  std::uint64_t locked_bytes_ = 0;  // since then
};

}  // namespace mmapdir
