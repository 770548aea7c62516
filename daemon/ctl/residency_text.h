// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "ctl/residency.h"
#include "ctl/terminal.h"

namespace mmapdirfs::ctl {

// The picture for a terminal, no line longer than its width: name, bar, share and size of each
// file, and their sum. Colours if it has any.
std::string residency_text(const std::vector<FileResidency>& files, const Terminal& terminal);

}  // namespace mmapdirfs::ctl
