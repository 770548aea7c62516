// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace mmapdirfs {

// Why a mount can't be, for people: what was wrong, and what to do.
struct StartError {
  std::string message;
};

}  // namespace mmapdirfs
