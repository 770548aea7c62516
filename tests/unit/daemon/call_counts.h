// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace mmapdirfs::test {

// What this thread has called so far. A program that has this linked in takes its memory by
// `operator new`, and its mutexes, through counters.
struct CallCounts {
  std::size_t allocations = 0;
  std::size_t mutex_locks = 0;
};

CallCounts call_counts();

}  // namespace mmapdirfs::test
