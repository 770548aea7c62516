// SPDX-License-Identifier: MIT
#include "metrics/operation_figures.h"

#include <algorithm>
#include <cmath>

namespace mmapdirfs {
namespace {

constexpr double kNanosecondsPerMicrosecond = 1000;

}  // namespace

double OperationFigures::microseconds_of(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
  std::uint64_t seen = 0;
  std::uint64_t bound = longest_nanoseconds;
  for (std::size_t i = 0; i + 1 < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen >= wanted) {
      bound = std::min(bound, latency_buckets::upper_bound(i));
      break;
    }
  }
  return static_cast<double>(bound) / kNanosecondsPerMicrosecond;
}

}  // namespace mmapdirfs
