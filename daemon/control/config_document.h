// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "options.h"

namespace mmapdirfs {

// The options in force as a JSON object on one line: their long names to their values, null where
// one was left to the daemon's choice.
std::string config_document(const Options& options);

}  // namespace mmapdirfs
