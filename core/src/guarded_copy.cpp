// SPDX-License-Identifier: MIT
#include "mmapdir/guarded_copy.h"

#include "fault_guard.h"

namespace mmapdir {

Result<void> guarded_copy(std::span<std::byte> to, std::span<const std::byte> from) {
  if (to.size() != from.size()) {
    return std::unexpected(Error(std::errc::invalid_argument, "copy between unequal sizes"));
  }
  // An empty span may hold a null pointer, which memcpy must not be given.
  if (!from.empty() && !copy_unless_bus_error(to.data(), from.data(), from.size())) {
    return std::unexpected(Error(std::errc::io_error, "read bytes of a truncated file"));
  }
  return {};
}

}  // namespace mmapdir
