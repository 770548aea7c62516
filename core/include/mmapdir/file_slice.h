// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "mmapdir/byte_range.h"
#include "mmapdir/owned_bytes.h"
#include "mmapdir/result.h"

namespace mmapdir {

// A file, or a part of one, as long as it was when it was opened. Read from its mapping, or by
// pread where none was to be had; apart from the speed there is no difference.
//
// A value type: a copy costs a reference count and shows the same file. It stays readable after the
// file was deleted or replaced, and after the Directory and the cache are gone. All methods are
// const and may be called from any thread.
//
// A file that grows keeps its length here. One that is truncated loses bytes: see each method.
class FileSlice {
 public:
  // An empty file.
  FileSlice() = default;

  // A file whose bytes are in memory already.
  explicit FileSlice(OwnedBytes bytes) : bytes_(std::move(bytes)) {}

  // The first `length` bytes of a file read by pread. Takes `fd`, open for reading, and closes it
  // when the last copy and part goes.
  static FileSlice from_descriptor(int fd, std::uint64_t length);

  // In bytes.
  std::uint64_t length() const { return is_mapped() ? bytes_.size() : part_.length; }

  // Whether read_range() hands out the file's memory itself, at no cost, rather than a copy.
  bool is_mapped() const { return file_ == nullptr; }

  // A part of this slice. Errors: EINVAL when the range reaches beyond the end.
  Result<FileSlice> slice(ByteRange range) const;

  // The bytes of a range. Mapped: the mapping itself, without a copy or a system call, see
  // OwnedBytes::bytes() for the hazard. Not mapped: a copy on the heap.
  //
  // Errors: EINVAL when the range reaches beyond length(). Not mapped also: EIO when the file was
  // truncated, ENOMEM when the buffer can't be had, and what pread says.
  Result<OwnedBytes> read_range(ByteRange range) const;

  // read_range() of everything.
  Result<OwnedBytes> read_all() const;

  // Copies to.size() bytes from `offset` on, safe against truncation. After an error, `to` holds an
  // unspecified part of them.
  //
  // Errors: EINVAL when that reaches beyond length(); EIO when the file was truncated, with the
  // exception that guarded_copy() states for its last page; what pread says.
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> to) const;

 private:
  struct Descriptor;

  FileSlice(std::shared_ptr<const Descriptor> file, ByteRange part)
      : file_(std::move(file)), part_(part) {}

  OwnedBytes bytes_;  // what is mapped, unless there is a file_
  std::shared_ptr<const Descriptor> file_;
  ByteRange part_;  // of file_
};

}  // namespace mmapdir
