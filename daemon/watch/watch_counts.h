// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace mmapdirfs {

// What was seen of the source since the mount.
struct WatchCounts {
  std::uint64_t changes = 0;
  std::uint64_t overflows = 0;  // changes were lost, and everything was forgotten
};

// What the kernel was told to forget since then.
struct InvalidationCounts {
  std::uint64_t attributes = 0;
  std::uint64_t pages = 0;
  std::uint64_t names = 0;  // all at once count once
  std::uint64_t listings = 0;
};

}  // namespace mmapdirfs
