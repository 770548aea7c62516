// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace mmapdirfs {

struct Versions {
  std::string mmapdirfs;  // "0.1.0"
  std::string libfuse;    // "3.18.3", as it runs
};

Versions versions();

// "mmapdirfs 0.1.0 (libfuse 3.18.3)" and a newline.
std::string version_text();

}  // namespace mmapdirfs
