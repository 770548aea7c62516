// SPDX-License-Identifier: MIT
#pragma once

#include "control/command_table.h"
#include "control/pin_keeper.h"

namespace mmapdirfs {

// `pin`, `unpin` and `pins`. Borrows the keeper.
void add_pin_commands(CommandTable& table, PinKeeper& keeper);

}  // namespace mmapdirfs
