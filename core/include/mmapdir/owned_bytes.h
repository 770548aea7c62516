// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "mmapdir/byte_range.h"
#include "mmapdir/result.h"

namespace mmapdir {

// Bytes that keep alive what holds them: a mapping, a heap buffer, or anything else. A value type:
// a copy costs one reference count and shows the same memory. Immutable, so threads may share it;
// though a file's bytes can be changed through the file, and a mapping shows that.
//
// Outlives the Directory, the FileSlice and the MappingCache that it came from.
class OwnedBytes {
 public:
  OwnedBytes() = default;

  // `owner` keeps `bytes` valid as long as it lives.
  OwnedBytes(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  // A copy of `bytes` on the heap.
  static OwnedBytes copy_of(std::span<const std::byte> bytes);

  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // The bytes themselves, valid while this OwnedBytes or a copy or part of it lives.
  //
  // HAZARD: if they are a file's and another process truncates it, touching a byte beyond the new
  // end raises SIGBUS. Use copy_to() wherever the file isn't known to be left alone. Giving such
  // bytes to a system call (write, send) is safe: it fails with EFAULT.
  std::span<const std::byte> bytes() const { return bytes_; }

  // A part that shares the memory. Errors: EINVAL when the range reaches beyond the end.
  Result<OwnedBytes> slice(ByteRange range) const;

  // Copies all bytes, safe against truncation. Errors: those of guarded_copy(); `to` must be as
  // long as size().
  Result<void> copy_to(std::span<std::byte> to) const;

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

}  // namespace mmapdir
