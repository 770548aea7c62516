// SPDX-License-Identifier: MIT
#pragma once

#include "ctl/printable.h"

namespace mmapdirfs::ctl {

// What an output can show. A value type.
struct Terminal {
  bool is_terminal = false;  // somebody looks at it, and may press keys
  bool has_colour = false;
  Charset charset = Charset::kAscii;
  unsigned columns = 80;
  unsigned rows = 24;
};

// What the environment says of a descriptor: the locale (setlocale has been called), $NO_COLOR
// (no-color.org), $TERM, and for what is no terminal $COLUMNS.
Terminal detect_terminal(int fd);

}  // namespace mmapdirfs::ctl
