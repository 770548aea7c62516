// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "mmapdir/result.h"

namespace mmapdir {

// `length` bytes from `offset` on. A value type; any pair of numbers is one, also a pair whose sum
// overflows: whether it lies within something is asked with fits(), which never adds.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  // The half-open range [begin, end). Errors: EINVAL when it is reversed (begin > end).
  static Result<ByteRange> between(std::uint64_t begin, std::uint64_t end);

  // Whether every byte of the range lies within the first `size` bytes. An empty range fits
  // wherever its offset is not beyond the end.
  constexpr bool fits(std::uint64_t size) const {
    return length <= size && offset <= size - length;
  }

  bool operator==(const ByteRange&) const = default;
};

}  // namespace mmapdir
