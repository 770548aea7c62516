// SPDX-License-Identifier: MIT
#include "mmapdir/owned_bytes.h"

#include <algorithm>

#include "mmapdir/guarded_copy.h"

namespace mmapdir {

OwnedBytes OwnedBytes::copy_of(std::span<const std::byte> bytes) {
  auto buffer = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, buffer.get());
  const std::span<const std::byte> view(buffer.get(), bytes.size());
  return {std::move(buffer), view};
}

Result<OwnedBytes> OwnedBytes::slice(ByteRange range) const {
  if (!range.fits(bytes_.size())) {
    return std::unexpected(Error(std::errc::invalid_argument, "read beyond the end"));
  }
  return OwnedBytes(owner_, bytes_.subspan(static_cast<std::size_t>(range.offset),
                                           static_cast<std::size_t>(range.length)));
}

Result<void> OwnedBytes::copy_to(std::span<std::byte> to) const { return guarded_copy(to, bytes_); }

}  // namespace mmapdir
