// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

namespace mmapdirfs {

// What the kernel may answer from its own memory, and what is promised of it.
enum class CacheMode {
  kAuto,   // names and attributes for a second; pages while the file is unchanged at its opens
  kNever,  // nothing: each request reaches the source, and no page is kept for the mount's inode
};

struct CachePolicy {
  std::chrono::milliseconds timeout;  // of names and of attributes
  bool keep_pages;                    // else reads bypass the mount's page cache

  static constexpr CachePolicy of(CacheMode mode) {
    return mode == CacheMode::kAuto
               ? CachePolicy{.timeout = std::chrono::seconds(1), .keep_pages = true}
               : CachePolicy{.timeout = std::chrono::seconds(0), .keep_pages = false};
  }
};

}  // namespace mmapdirfs
