// SPDX-License-Identifier: MIT
#include "fs/file_version.h"

#include <algorithm>
#include <ctime>
#include <limits>

namespace mmapdirfs {
namespace {

constexpr std::int64_t kRacyNanoseconds = 20'000'000;

// A program or a server can put any time there: those beyond 1677 and 2262, which 64 bits don't
// hold, count as the nearest that they do.
std::int64_t nanoseconds(const statx_timestamp& time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kMost = (std::numeric_limits<std::int64_t>::max() / kSecond) - 1;
  return (std::clamp<std::int64_t>(time.tv_sec, -kMost, kMost) * kSecond) + time.tv_nsec;
}

// One round of splitmix64's finaliser: every input bit reaches every output bit.
// (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

}  // namespace

std::uint64_t file_version(const Attributes& attributes, std::int64_t now) {
  const std::int64_t changed = nanoseconds(attributes.stx_ctime);
  if (changed > now - kRacyNanoseconds) {
    return 0;
  }
  const auto modified = static_cast<std::uint64_t>(nanoseconds(attributes.stx_mtime));
  return mix(mix(mix(static_cast<std::uint64_t>(changed)) ^ modified) ^ attributes.stx_size);
}

std::uint64_t file_version(const Attributes& attributes) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return file_version(attributes, (now.tv_sec * 1'000'000'000) + now.tv_nsec);
}

}  // namespace mmapdirfs
