// SPDX-License-Identifier: MIT
#include "mmapdir/byte_range.h"

namespace mmapdir {

Result<ByteRange> ByteRange::between(std::uint64_t begin, std::uint64_t end) {
  if (begin > end) {
    return std::unexpected(Error(std::errc::invalid_argument, "take a reversed range"));
  }
  return ByteRange{.offset = begin, .length = end - begin};
}

}  // namespace mmapdir
