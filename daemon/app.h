// SPDX-License-Identifier: MIT
#pragma once

#include "options.h"

namespace mmapdirfs {

// The whole daemon, from options to exit status: 0 when the mount was served (or, behind, when it
// answers), 1 when it couldn't be. Messages have been printed or logged by then.
int run(const Options& options);

}  // namespace mmapdirfs
