// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mmapdirfs::ctl {

// How much of a file is in memory. Each cell is the percentage of one of so many equal parts of the
// file; an empty file has none.
struct FileResidency {
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t resident_bytes = 0;
  std::vector<unsigned> cells;
};

struct ResidencySum {
  std::uint64_t size = 0;
  std::uint64_t resident_bytes = 0;
};
ResidencySum sum_of(const std::vector<FileResidency>& files);

// How a percentage is drawn: only what is wholly out of memory or in it is the first or the last.
enum class Shade { kNone, kFew, kHalf, kMost, kAll };
Shade shade_of(unsigned percent);

// The same cells in exactly `count` columns, each the mean of those it stands for; 0 or 100 only if
// all of these are.
std::vector<unsigned> resample(const std::vector<unsigned>& cells, std::size_t count);

}  // namespace mmapdirfs::ctl
