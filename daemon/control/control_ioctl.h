// SPDX-License-Identifier: MIT
#pragma once

#include <linux/ioctl.h>

namespace mmapdirfs {

// How a command reaches the control file of a read-only mount, on which the kernel opens nothing
// for writing: one line that NUL ends, by ioctl on a handle that is open for reading.
struct ControlCommand {
  char line[4096];  // NOLINT(modernize-avoid-c-arrays): what the kernel copies
};

inline constexpr unsigned long kControlIoctl = _IOW('m', 1, ControlCommand);

}  // namespace mmapdirfs
