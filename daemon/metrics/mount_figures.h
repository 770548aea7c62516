// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fs/file_system.h"
#include "metrics/operation_figures.h"
#include "mmapdir/mapping_cache.h"
#include "watch/watch_counts.h"

namespace mmapdirfs {

// What a mount is: all that stays as it is while it is mounted.
struct MountIdentity {
  std::string version;
  std::string libfuse;
  pid_t pid = 0;
  std::string source;
  std::string mountpoint;
  bool is_read_only = false;
  std::string read_path;         // the one that files are opened with
  std::string read_path_reason;  // why it isn't a faster one; empty where there is none
  std::string transport;         // "/dev/fuse" or "io_uring"
  std::string options;           // those in force: a JSON object, or empty
  // Why changes on the source aren't watched; nothing where they are.
  std::optional<std::string> unwatched_reason;
};

struct DescriptorFigures {
  std::uint64_t used = 0;
  std::uint64_t limit = 0;
};

struct PinFigures {
  std::uint64_t files = 0;
  std::uint64_t intended_bytes = 0;
  std::uint64_t pinned_bytes = 0;
};

struct HotSetFigures {
  std::optional<std::string> file;
  std::optional<std::int64_t> last_saved;  // seconds since 1970
  std::string state = "none";              // none, loading, loaded or failed
};

// All that can be told of a mount in numbers, as it is now. A value.
struct MountFigures {
  MountIdentity identity;
  std::chrono::duration<double> uptime{};
  std::size_t threads = 0;
  DescriptorFigures descriptors;
  FileSystemCounts objects{};
  mmapdir::MappingCounters mappings;
  mmapdir::MappingLimits mapping_limits{};
  LockCounts locks{};
  WatchCounts watch;
  InvalidationCounts invalidations;
  PinFigures pins;
  HotSetFigures hot_set;
  std::vector<OperationFigures> operations;
};

// Of the calling process.
std::size_t count_threads();
DescriptorFigures count_descriptors();

}  // namespace mmapdirfs
