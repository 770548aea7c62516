// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <limits>
#include <map>
#include <vector>

#include "fs/types.h"

namespace mmapdirfs {

// Bytes of a file, both ends included; fcntl's "to the end, however far that moves" ends at the
// last offset that there is.
struct LockedRange {
  off_t first;
  off_t last;

  // `lock` counts from the beginning of the file (SEEK_SET).
  static LockedRange of(const struct flock& lock);
  // The lock of the given type on these bytes.
  struct flock lock_of_type(short type) const;

  bool operator==(const LockedRange&) const = default;
};

inline constexpr LockedRange kWholeFile{.first = 0, .last = std::numeric_limits<off_t>::max()};

// The bytes that one owner of record locks has locked in a file, each with the handle by way of
// which it was locked last. Not for several threads.
class LockedRanges {
 public:
  void add(const LockedRange& range, HandleId handle);
  void remove(const LockedRange& range);

  // Removes what was locked last by way of the handle, and answers it.
  std::vector<LockedRange> take(HandleId handle);

  bool empty() const { return by_first_.empty(); }

 private:
  struct Rest {
    off_t last;
    HandleId handle;
  };

  std::map<off_t, Rest> by_first_;  // no two overlap
};

}  // namespace mmapdirfs
