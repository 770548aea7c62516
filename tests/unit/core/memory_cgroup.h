// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

namespace mmapdir::test {

// A memory cgroup of its own beneath the root of the hierarchy, of whichever version the machine
// has; removed at the end, when nobody may be in it any more. Skips the test where it can't be
// made, which no machine is obliged to allow. A resource type.
class MemoryCgroup {
 public:
  explicit MemoryCgroup(std::uint64_t limit_bytes);
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;
  ~MemoryCgroup();

  // Moves the calling process into it.
  bool join() const;

 private:
  std::filesystem::path directory_;
};

}  // namespace mmapdir::test
