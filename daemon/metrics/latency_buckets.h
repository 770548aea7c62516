// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

// Log-linear buckets of latencies in nanoseconds: each power of two is divided into eight equal
// parts, so that a latency is known to within an eighth of itself. What is shorter than the clock's
// own cost goes into the first bucket, what is longer than four minutes into the last.
namespace mmapdirfs::latency_buckets {

inline constexpr unsigned kPartBits = 3;
inline constexpr unsigned kParts = 1U << kPartBits;
inline constexpr unsigned kFirstPower = 8;  // 256 ns
inline constexpr unsigned kPowers = 30;
inline constexpr std::size_t kCount = 2 + (std::size_t{kPowers} * kParts);

// Bounds belong to the bucket below them, as Prometheus has it (`le`).
constexpr std::size_t index_of(std::uint64_t nanoseconds) {
  const std::uint64_t value = std::max<std::uint64_t>(nanoseconds, 1) - 1;
  if (value < std::uint64_t{1} << kFirstPower) {
    return 0;
  }
  const auto power = static_cast<unsigned>(std::bit_width(value)) - 1;
  const auto part = static_cast<std::size_t>((value >> (power - kPartBits)) % kParts);
  return std::min(kCount - 1, 1 + (std::size_t{power - kFirstPower} * kParts) + part);
}

// In nanoseconds, of a bucket but the last, which has none.
constexpr std::uint64_t upper_bound(std::size_t index) {
  if (index == 0) {
    return std::uint64_t{1} << kFirstPower;
  }
  const std::size_t power = kFirstPower + ((index - 1) / kParts);
  return (kParts + ((index - 1) % kParts) + 1) << (power - kPartBits);
}

}  // namespace mmapdirfs::latency_buckets
