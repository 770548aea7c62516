// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "ctl/failure.h"

namespace mmapdirfs::ctl {

// Why `mountpoint` has no control directory of that name, as opening it ended with `errnum` (0: it
// is there, and isn't ours): no such directory, no mount of ours, a dead daemon, another name.
// Says what to do, and names the mounts that there are.
Failure explain_missing(const std::string& mountpoint, const std::string& control_directory,
                        int errnum);

}  // namespace mmapdirfs::ctl
