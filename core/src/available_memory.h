// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace mmapdir {

// How much memory this process could fill without pushing out what is in use: what /proc/meminfo
// calls available, or what the tightest memory cgroup around the process leaves, if that is less.
// Page cache counts as available, since it makes room. A value type.
class AvailableMemory {
 public:
  enum class Bound { kSystem, kCgroup };
  struct Amount {
    std::uint64_t bytes;
    Bound bound;
  };

  // Finds the process's cgroups, of either version. `root` is where /proc and the cgroups are
  // mounted: another directory for tests.
  explicit AvailableMemory(const std::filesystem::path& root = "/");

  // Now. What can't be read bounds nothing.
  Amount now() const;

 private:
  struct Version;
  struct Group {
    std::filesystem::path directory;
    const Version* version;
  };

  void add_groups(const std::filesystem::path& root, const std::filesystem::path& mount_point,
                  const std::filesystem::path& path, const Version& version);

  std::filesystem::path meminfo_;
  std::vector<Group> groups_;
};

}  // namespace mmapdir
