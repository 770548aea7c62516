// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "mmapdir/byte_range.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// A file of a hot set: what it was, and which parts of it were in memory.
struct HotFile {
  RelativePath path{};
  std::uint64_t size = 0;
  std::timespec modified{};
  std::vector<ByteRange> ranges{};  // in order, apart, within the size
};

std::uint64_t bytes_in(const HotFile& file);

// The text of a hot set:
//
//   mmapdir hot set 1
//   file SIZE SECONDS NANOSECONDS PATH     of the time of last modification; see below
//   OFFSET LENGTH                          any number
//   ...
//   end CHECKSUM                           FNV-1a, 64 bits, of all lines before, hexadecimal
//
// In a PATH, '%' and control characters are written as '%' and two hexadecimal digits.
std::string format_hot_set(const std::vector<HotFile>& files);

// Whether it begins as a hot set of any version does.
bool begins_as_hot_set(std::string_view text);

// Errors: EINVAL, with what is wrong. `subject` names the text in them.
Result<std::vector<HotFile>> parse_hot_set(std::string_view text, std::string_view subject);

}  // namespace mmapdir
