// SPDX-License-Identifier: MIT
#include "mmapdir/owned_bytes.h"

#include <vector>

#include "mmapdir/guarded_copy.h"

namespace mmapdir {

OwnedBytes OwnedBytes::copy_of(std::span<const std::byte> bytes) {
  auto buffer = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  const std::span<const std::byte> view(*buffer);
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
