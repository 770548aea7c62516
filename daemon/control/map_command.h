// SPDX-License-Identifier: MIT
#pragma once

#include "control/command_table.h"

namespace mmapdirfs {

// `map`: which parts of the source's files are in memory. `root` is the source's, borrowed.
void add_map_command(CommandTable& table, int root);

}  // namespace mmapdirfs
