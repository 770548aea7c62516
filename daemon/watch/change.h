// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace mmapdirfs {

// One change on the source, as fanotify reports it. Handles are those of Locator (fs/source.h): the
// type, then the bytes.
struct Change {
  std::uint64_t mask =
      0;  // FAN_CREATE and the like; FAN_Q_OVERFLOW: changes were lost, the rest is empty
  bool is_own = false;    // made by this process
  std::string directory;  // handle of the directory
  std::string name;       // the name in it; "." for the directory itself
  std::string target;     // handle of what has, or had, that name; empty where it isn't told
};

}  // namespace mmapdirfs
