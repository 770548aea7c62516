// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "fs/types.h"

namespace mmapdirfs {

// A number that stands for a file's contents as its attributes tell them apart: size, mtime and
// ctime. Two equal versions mean that the pages read under the first are still the file's.
//
// Zero, "can't be told", for a file changed within the last 20 ms of `now` (CLOCK_REALTIME, in
// nanoseconds): file systems stamp times with the granularity of a tick (up to 10 ms), so a second
// change in the same tick would leave the same stamps behind. git calls such entries racy.
std::uint64_t file_version(const Attributes& attributes, std::int64_t now);

// The same, now.
std::uint64_t file_version(const Attributes& attributes);

}  // namespace mmapdirfs
