// SPDX-License-Identifier: MIT
#pragma once

namespace mmapdirfs {

// Whether requests come over io_uring rather than through /dev/fuse.
enum class IoUringUse {
  kAuto,  // where the kernel offers it and this process may have it
  kOn,    // or there is no mount
  kOff,
};

}  // namespace mmapdirfs
