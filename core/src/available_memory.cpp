// SPDX-License-Identifier: MIT
#include "available_memory.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

namespace mmapdir {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint64_t>::max();

// A file that holds one number; "max", or no such file, is no bound.
std::uint64_t number_in(const fs::path& path) {
  std::uint64_t number = 0;
  return std::ifstream(path) >> number ? number : kUnbounded;
}

// The number behind a key, in lines of "key number".
std::uint64_t number_of(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string name;
    std::uint64_t number = 0;
    if (fields >> name >> number && name == key) {
      return number;
    }
  }
  return 0;
}

bool has_item(std::string_view list, std::string_view item) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == item) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// `root` as if it were "/".
fs::path within(const fs::path& root, const fs::path& path) { return root / path.relative_path(); }

// Where a cgroup hierarchy is mounted, and which of its directories that mount shows as its root.
struct CgroupMount {
  fs::path root;
  fs::path mount_point;
};

// proc_pid_mountinfo(5): ID, parent, device, root, mount point, options, optional fields up to a
// hyphen, type, source, and the options of the file system, which name the controllers.
std::optional<CgroupMount> find_mount(const fs::path& mountinfo, std::string_view type,
                                      std::string_view controller) {
  std::ifstream file(mountinfo);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string mount_point;
    fields >> skipped >> skipped >> skipped >> root >> mount_point;
    while (fields >> skipped && skipped != "-") {
    }
    std::string found_type;
    std::string options;
    fields >> found_type >> skipped >> options;
    if (fields && found_type == type && (controller.empty() || has_item(options, controller))) {
      return CgroupMount{.root = root, .mount_point = mount_point};
    }
  }
  return std::nullopt;
}

// The process's directory in a hierarchy: the line "ID:CONTROLLERS:PATH" of /proc/self/cgroup with
// this controller, or with none for version 2.
std::optional<fs::path> find_path(const fs::path& cgroup, std::string_view controller) {
  std::ifstream file(cgroup);
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : has_item(controllers, controller)) {
      return fs::path(line.substr(second + 1));
    }
  }
  return std::nullopt;
}

}  // namespace

// What the two versions call the same (Documentation/admin-guide/cgroup-v1/memory.rst and
// cgroup-v2.rst).
struct AvailableMemory::Version {
  std::string_view file_system;
  std::string_view controller;
  std::array<std::string_view, 2> limits;
  std::string_view usage;
  std::array<std::string_view, 2> file_pages;

  std::uint64_t available(const fs::path& group) const {
    std::uint64_t limit = kUnbounded;
    for (const auto name : limits) {
      limit = std::min(limit, number_in(group / name));
    }
    const auto used = number_in(group / usage);
    if (limit == kUnbounded || used == kUnbounded) {
      return kUnbounded;
    }
    std::uint64_t reclaimable = 0;
    for (const auto key : file_pages) {
      reclaimable += number_of(group / "memory.stat", key);
    }
    const auto kept = used - std::min(used, reclaimable);
    return limit - std::min(limit, kept);
  }
};

AvailableMemory::AvailableMemory(const fs::path& root) : meminfo_(root / "proc/meminfo") {
  static constexpr std::array<Version, 2> kVersions = {{
      {.file_system = "cgroup2",
       .controller = "",
       .limits = {"memory.max", "memory.high"},
       .usage = "memory.current",
       .file_pages = {"inactive_file", "active_file"}},
      {.file_system = "cgroup",
       .controller = "memory",
       .limits = {"memory.limit_in_bytes", "memory.limit_in_bytes"},
       .usage = "memory.usage_in_bytes",
       .file_pages = {"total_inactive_file", "total_active_file"}},
  }};
  for (const auto& version : kVersions) {
    const auto mount =
        find_mount(root / "proc/self/mountinfo", version.file_system, version.controller);
    const auto path = find_path(root / "proc/self/cgroup", version.controller);
    if (mount && path) {
      add_groups(mount->root, within(root, mount->mount_point), *path, version);
    }
  }
}

// The process's own group and all that it lies in, as far as the mount shows them.
void AvailableMemory::add_groups(const fs::path& root, const fs::path& mount_point,
                                 const fs::path& path, const Version& version) {
  auto below = path.lexically_relative(root);
  if (below.empty() || *below.begin() == "..") {
    below = ".";  // outside what is mounted: its root is the nearest that can be seen
  }
  auto directory = mount_point;
  groups_.push_back({.directory = directory, .version = &version});
  for (const auto& name : below) {
    if (name != ".") {
      directory /= name;
      groups_.push_back({.directory = directory, .version = &version});
    }
  }
}

AvailableMemory::Amount AvailableMemory::now() const {
  constexpr std::uint64_t kKibibyte = 1024;
  const auto available = number_of(meminfo_, "MemAvailable:");
  Amount amount{.bytes = available == 0 ? kUnbounded : available * kKibibyte,
                .bound = Bound::kSystem};
  for (const auto& group : groups_) {
    const auto left = group.version->available(group.directory);
    if (left < amount.bytes) {
      amount = {.bytes = left, .bound = Bound::kCgroup};
    }
  }
  return amount;
}

}  // namespace mmapdir
