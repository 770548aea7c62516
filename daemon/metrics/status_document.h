// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "metrics/mount_figures.h"

namespace mmapdirfs {

// A mount's figures as a JSON object with a newline, for people and programs (the README's chapter
// for operators says what its members mean). What isn't UTF-8, as a path needn't be, is shown as
// U+FFFD.
std::string status_document(const MountFigures& figures);

}  // namespace mmapdirfs
