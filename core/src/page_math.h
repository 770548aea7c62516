// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstdint>

#include "mmapdir/byte_range.h"

namespace mmapdir {

inline std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

// How many pages hold `bytes` bytes; files are less than 2^63 bytes long.
inline std::uint64_t pages_of(std::uint64_t bytes) {
  return (bytes / page_size()) + (bytes % page_size() == 0 ? 0 : 1);
}

// The range from the start of its first page to the end of its last. It must lie in a file.
inline ByteRange whole_pages(ByteRange range) {
  const auto before = range.offset % page_size();
  const auto length = range.length == 0 ? 0 : pages_of(range.length + before) * page_size();
  return {.offset = range.offset - before, .length = length};
}

}  // namespace mmapdir
