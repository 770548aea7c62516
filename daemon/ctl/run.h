// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// All of the program but its process: parses, opens the mount if the verb takes one, runs the verb.
// Failures are told on `context.messages`. Returns the exit status.
int run(const std::vector<std::string>& arguments, Context& context);

}  // namespace mmapdirfs::ctl
