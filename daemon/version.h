// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace mmapdirfs {

// "mmapdirfs 0.1.0 (libfuse 3.18.3)" and a newline.
std::string version_text();

}  // namespace mmapdirfs
