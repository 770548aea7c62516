// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "metrics/latency_buckets.h"
#include "metrics/operation_kind.h"

namespace mmapdirfs {

// What is known of the operations of one kind that were answered, all of it at one moment. A value.
struct OperationFigures {
  OperationKind kind{};
  std::uint64_t count = 0;  // also the sum of the buckets
  std::uint64_t nanoseconds = 0;
  std::uint64_t longest_nanoseconds = 0;
  std::uint64_t bytes = 0;                // read or written
  std::map<int, std::uint64_t> errors{};  // by errno; 0 for those beyond Linux's own
  std::array<std::uint64_t, latency_buckets::kCount> buckets{};

  // How long the fastest `share` (0 to 1) of them took at most, in microseconds: up to an eighth
  // more than it was, never more than the longest.
  double microseconds_of(double share) const;
};

}  // namespace mmapdirfs
