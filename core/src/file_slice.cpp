// SPDX-License-Identifier: MIT
#include "mmapdir/file_slice.h"

#include <new>

#include "mmapdir/guarded_copy.h"
#include "posix.h"
#include "support/unique_fd.h"

namespace mmapdir {
namespace {

Error beyond_the_end() { return {std::errc::invalid_argument, "read beyond the end"}; }

// A file can be longer than memory, so a buffer for a part of it may fail without being a bug.
Result<OwnedBytes> read_to_heap(int fd, ByteRange range) {
  if (!std::in_range<std::size_t>(range.length)) {
    return std::unexpected(Error(std::errc::not_enough_memory, "read"));
  }
  const auto size = static_cast<std::size_t>(range.length);
  // Neither zeroed nor thrown for, which a vector would be.
  // NOLINTNEXTLINE(modernize-avoid-c-arrays)
  const std::shared_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[size]);
  if (!buffer) {
    return std::unexpected(Error(std::errc::not_enough_memory, "read"));
  }
  const std::span<std::byte> bytes(buffer.get(), size);
  if (auto read = read_exactly(fd, range.offset, bytes); !read) {
    return std::unexpected(read.error());
  }
  return OwnedBytes(buffer, bytes);
}

}  // namespace

struct FileSlice::Descriptor {
  UniqueFd fd;
};

FileSlice FileSlice::from_descriptor(int fd, std::uint64_t length) {
  return {std::make_shared<const Descriptor>(UniqueFd(fd)), {.offset = 0, .length = length}};
}

Result<FileSlice> FileSlice::slice(ByteRange range) const {
  if (!range.fits(length())) {
    return std::unexpected(beyond_the_end());
  }
  if (is_mapped()) {
    return FileSlice(*bytes_.slice(range));
  }
  return FileSlice(file_, {.offset = part_.offset + range.offset, .length = range.length});
}

Result<OwnedBytes> FileSlice::read_range(ByteRange range) const {
  if (is_mapped()) {
    return bytes_.slice(range);
  }
  if (!range.fits(length())) {
    return std::unexpected(beyond_the_end());
  }
  return read_to_heap(file_->fd.get(),
                      {.offset = part_.offset + range.offset, .length = range.length});
}

Result<OwnedBytes> FileSlice::read_all() const {
  return read_range({.offset = 0, .length = length()});
}

Result<void> FileSlice::read_at(std::uint64_t offset, std::span<std::byte> to) const {
  if (!ByteRange{.offset = offset, .length = to.size()}.fits(length())) {
    return std::unexpected(beyond_the_end());
  }
  if (is_mapped()) {
    return guarded_copy(to, bytes_.bytes().subspan(static_cast<std::size_t>(offset), to.size()));
  }
  return read_exactly(file_->fd.get(), part_.offset + offset, to);
}

}  // namespace mmapdir
