// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "mmapdir/result.h"

namespace mmapdir {

// memcpy out of a mapped file: when the file was truncated underneath (or its storage failed), the
// result is an error where touching the bytes would have ended the process with SIGBUS. `to` then
// holds an unspecified part of the bytes. The ranges must not overlap, and `to` itself must not be
// a mapping that can be truncated.
//
// A file cut off in the middle of a page shows zeros from its new end to the end of that page; the
// kernel reports nothing (mmap(2), BUGS), so neither does this. Who has the descriptor can ask
// fstat afterwards.
//
// Errors: EIO when the source is gone; EINVAL when the sizes differ.
//
// Threads: any, at any time. Costs a few nanoseconds above memcpy and no system call.
//
// The first call installs a process-wide handler for SIGBUS. It takes only faults of the copying
// thread at addresses within `from`; all other SIGBUS go to the disposition that it found: handlers
// of either kind with their masks, SIG_DFL and SIG_IGN. From then on
//   - a program that installs a SIGBUS handler of its own replaces this one for good, and guarded
//     copies fault into that handler, unless it passes on what it doesn't know. Install first.
//   - SIGBUS must not be blocked in a thread that copies: the kernel ends a process that faults
//     with the signal blocked.
Result<void> guarded_copy(std::span<std::byte> to, std::span<const std::byte> from);

}  // namespace mmapdir
