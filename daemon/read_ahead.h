// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include "fs/types.h"

namespace mmapdirfs {

// Has the kernel read ahead so far on the mount with this device number, where it goes by pages of
// the mount's own. FUSE lets a daemon ask for less than the kernel's own 128 KiB only
// (process_init_reply, Linux 6.18); root can set it in sysfs (Documentation/ABI, sysfs-class-bdi).
Result<void> set_read_ahead(dev_t mount, unsigned kibibytes);

}  // namespace mmapdirfs
