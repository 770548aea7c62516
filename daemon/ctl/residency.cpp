// SPDX-License-Identifier: MIT
#include "ctl/residency.h"

#include <algorithm>
#include <numeric>

namespace mmapdirfs::ctl {

ResidencySum sum_of(const std::vector<FileResidency>& files) {
  ResidencySum sum;
  for (const auto& file : files) {
    sum.size += file.size;
    sum.resident_bytes += file.resident_bytes;
  }
  return sum;
}

Shade shade_of(unsigned percent) {
  if (percent == 0) {
    return Shade::kNone;
  }
  if (percent < 34) {
    return Shade::kFew;
  }
  if (percent < 67) {
    return Shade::kHalf;
  }
  return percent < 100 ? Shade::kMost : Shade::kAll;
}

std::vector<unsigned> resample(const std::vector<unsigned>& cells, std::size_t count) {
  std::vector<unsigned> columns;
  for (std::size_t i = 0; i < count && !cells.empty(); ++i) {
    const auto begin = i * cells.size() / count;
    const auto end = std::max(begin + 1, (i + 1) * cells.size() / count);
    const std::vector<unsigned> part(cells.begin() + static_cast<std::ptrdiff_t>(begin),
                                     cells.begin() + static_cast<std::ptrdiff_t>(end));
    const auto sum = std::accumulate(part.begin(), part.end(), 0U);
    const auto mean = sum / static_cast<unsigned>(part.size());
    const bool is_some = sum > 0 && sum < 100 * part.size();
    columns.push_back(is_some ? std::clamp(mean, 1U, 99U) : mean);
  }
  return columns;
}

}  // namespace mmapdirfs::ctl
