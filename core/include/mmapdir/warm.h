// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "mmapdir/file_walk.h"
#include "mmapdir/path_pattern.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// How much may be read into the page cache, and how fast.
struct WarmOptions {
  // Bytes read a second at most; what is in memory already costs nothing. Nothing: as fast as the
  // storage has it.
  std::optional<std::uint64_t> bytes_per_second{};
  // Bytes read at most.
  std::optional<std::uint64_t> limit_bytes{};
  // Bytes read at most, in percent of the memory that is available: to the machine, or to the
  // tightest memory cgroup around the process. It is asked again all the while, so that warming
  // ends when others need the memory.
  unsigned memory_percent = 50;
};

// What a job has done so far.
struct WarmProgress {
  std::uint64_t bytes;             // of `total`, read or found in memory
  std::uint64_t total;             // of all files
  std::uint64_t bytes_per_second;  // bytes of progress since the start
  const RelativePath& path;        // valid for the call
};

// Called in the thread that warms: ten times a second at most, and once at the end.
using WarmProgressCallback = std::function<void(const WarmProgress&)>;

enum class WarmStop { kLimit, kMemory, kCancel };

// "limit", "memory", "cancel".
std::string_view name_of(WarmStop stop);

struct WarmReport {
  std::size_t files = 0;             // that were asked for
  std::uint64_t asked_bytes = 0;     // of all these files
  std::uint64_t read_bytes = 0;      // that weren't in memory
  std::uint64_t resident_bytes = 0;  // of these files, in memory at the end
  // In memory once during the job, and not any more at its end: the kernel had a better use.
  std::uint64_t dropped_bytes = 0;
  std::optional<WarmStop> stopped_by{};  // nothing: everything was asked for
  std::vector<FileFailure> failures{};
};

// Reads the files beneath `root` that match any of the patterns into the page cache, those of the
// first pattern first, and returns when they are there. Holes of sparse files are left out. Of
// files of which the kernel doesn't tell (see residency_of), everything is taken to be read, and
// what was read to be in memory.
//
// `root` is the descriptor of a directory (O_PATH will do), borrowed for the call. A stop that is
// requested is heeded within a mebibyte. Files that change or vanish meanwhile are no failure, nor
// is truncation.
//
// Errors: those of find_files().
Result<WarmReport> warm(int root, std::vector<PathPattern> patterns,
                        const WarmOptions& options = {}, const WarmProgressCallback& progress = {},
                        const std::stop_token& stop = {});

}  // namespace mmapdir
