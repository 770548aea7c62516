// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "mmapdir/file_walk.h"
#include "mmapdir/mapping_cache.h"
#include "mmapdir/path_pattern.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

struct PinnedFile {
  RelativePath path;
  std::string pattern{};  // that it was pinned by
  dev_t device = 0;
  ino_t inode = 0;
  std::uint64_t intended_bytes = 0;  // the file's size
  std::uint64_t pinned_bytes = 0;    // from its beginning on; in memory, and staying there
  // Why not all of it: "budget", "RLIMIT_MEMLOCK", "memory cgroup", "available memory",
  // "cancelled", "truncated", or what the system said. Empty if it is all of it.
  std::string reason{};
};

struct PinReport {
  std::vector<PinnedFile> files{};      // in order of priority
  std::vector<FileFailure> failures{};  // directories that couldn't be listed
};

struct PinTotals {
  std::size_t files = 0;
  std::uint64_t intended_bytes = 0;
  std::uint64_t pinned_bytes = 0;
};

// Files kept in memory (mlock(2) on their mappings), chosen by patterns.
//
// A resource type: everything is unpinned with it. It borrows the root's descriptor and the cache,
// whose mappings it keeps alive; two Pins on one cache would release each other's pages. All
// methods may be called from any thread; those that read files into memory take turns with each
// other, so they can take long: list() and totals() don't wait for them.
//
// Pinned memory can't make room for anything. So it is never taken to the last: a sixteenth of what
// is available (to the machine, or in the tightest memory cgroup around the process), and 16 MiB at
// least, stay free. RLIMIT_MEMLOCK bounds processes without CAP_IPC_LOCK.
class Pins {
 public:
  Pins(int root, MappingCache& cache);
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;
  ~Pins();

  // Pins the files that match any of the patterns, those of the first one first, after all that was
  // pinned before; no more than `budget` bytes for these patterns together (nothing: no bound). A
  // file for which not all of its bytes are left is pinned as far as they go. When it returns, the
  // pinned bytes are in memory. A pattern that was given before is taken over, with its files.
  //
  // The patterns stay in force for files to come: see update().
  //
  // Errors: those of find_files(). That something couldn't be pinned is said in the report.
  Result<PinReport> pin(std::vector<PathPattern> patterns, std::optional<std::uint64_t> budget,
                        const std::stop_token& stop = {});

  // Releases the pinned files that match any of the patterns; from now on they match no pattern
  // given before. Says what was released. Errors: ENOENT when a pattern matches none.
  Result<PinTotals> unpin(const std::vector<PathPattern>& patterns);

  // To be called when something happened to that name. A file that was replaced is pinned anew, one
  // that has grown further, one that is new pinned if a pattern matches it; one that has gone is
  // released, so that its memory and its blocks on the disk are free.
  void update(const RelativePath& path);

  // The same for all names, when it isn't known what happened; also tries again what couldn't be
  // pinned before.
  void rescan(const std::stop_token& stop = {});

  std::vector<PinnedFile> list() const;  // sorted by path
  PinTotals totals() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mmapdir
