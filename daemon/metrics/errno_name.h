// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <string>

namespace mmapdirfs {

// "ENOENT"; the number of one that has no name, and "other" for those that aren't told apart.
inline std::string name_of_errno(int errnum) {
  if (errnum == 0) {
    return "other";
  }
  const char* const name = ::strerrorname_np(errnum);
  return name != nullptr ? name : std::to_string(errnum);
}

}  // namespace mmapdirfs
