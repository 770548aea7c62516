// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mmapdir/byte_range.h"
#include "mmapdir/result.h"

namespace mmapdir {

// Who was asked which pages are in memory.
enum class ResidencySource {
  kCachestat,  // cachestat(2), Linux 6.5: takes time by what is in memory
  kMincore,    // mincore(2) on a temporary mapping: takes time by the file's size
};

// "cachestat", "mincore".
std::string_view name_of(ResidencySource source);

// How much of a file is in the page cache, at the moment of asking.
struct Residency {
  std::uint64_t size = 0;            // of the file, in bytes
  std::uint64_t page_size = 0;       // in bytes
  std::uint64_t resident_bytes = 0;  // of its size: a last page counts as far as the file goes
  ResidencySource source = ResidencySource::kCachestat;
  // The file in equal parts (as far as whole pages allow), and of each the percentage in memory:
  // 0 only where nothing is, 100 only where all is. Empty for an empty file.
  std::vector<std::uint8_t> cells{};
};

// Divides the file into `max_cells` parts (one at least), or one a page if it has fewer. `fd` must
// be open for reading and is only borrowed; asking reads no page and changes nothing. Takes little
// memory whatever the file's size.
//
// Errors: EPERM for a file that belongs to somebody else and that the caller may not write: of
// these the kernel doesn't tell (mincore would answer that all is in memory). What fstat and mmap
// say (ENODEV where the file can't be mapped).
Result<Residency> residency_of(int fd, std::size_t max_cells);

// The parts that are in memory: whole pages, in order, none touching the next; the last one ends
// with the file. Errors as above.
Result<std::vector<ByteRange>> resident_ranges(int fd);

}  // namespace mmapdir
