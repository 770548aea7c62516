// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "mmapdir/file_walk.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"
#include "mmapdir/warm.h"

namespace mmapdir {

// A hot set is a file that says which parts of the files beneath a root were in memory, so that
// they can be brought back there after a restart. It is text, with a version in its first line and
// a checksum in its last.

struct HotSetSaved {
  std::size_t files = 0;                // with something in memory
  std::uint64_t bytes = 0;              // of them in memory
  std::vector<FileFailure> failures{};  // files of which that couldn't be told
};

// Writes down what of the files beneath `root` is in memory: the file with the largest share of its
// pages first. `root` is the descriptor of a directory (O_PATH will do), borrowed for the call.
//
// `file` is replaced whole, by rename after fsync, or not at all: what was there before survives
// every error, crash and stop. It can be read by its owner only, since it names files.
//
// A caller who saves from time to time must not do it while a load is under way or after one that
// was cancelled: what is in memory then is less than what was saved.
//
// Errors: ECANCELED after a requested stop; EEXIST when `file` is there and isn't a hot set, so
// that a mistaken name costs nobody a file; what the system says.
Result<HotSetSaved> save_hot_set(int root, const std::filesystem::path& file,
                                 const std::stop_token& stop = {});

struct HotSetSkip {
  RelativePath path;
  std::string reason;  // "gone", "changed", or what the system said
};

struct HotSetLoaded {
  WarmReport warmed{};  // of the parts that were asked for
  std::vector<HotSetSkip> skipped{};
};

// Reads the parts that a hot set names into the page cache, within the options' bounds. Skips files
// whose size or time of last modification is another than it was. The names lead nowhere but to
// regular files beneath `root`, on its file system, without symbolic links: whoever wrote them.
//
// Changes nothing on disk, so it can be cancelled at any time; `warmed` then says so.
//
// Errors: EINVAL, with a message of what is wrong, when `file` is no hot set, of a later version,
// cut off or otherwise damaged; what the system says.
Result<HotSetLoaded> load_hot_set(int root, const std::filesystem::path& file,
                                  const WarmOptions& options = {},
                                  const WarmProgressCallback& progress = {},
                                  const std::stop_token& stop = {});

}  // namespace mmapdir
