// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mmapdir/path_pattern.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// What went wrong with one file or directory, where others went well. A value type.
struct FileFailure {
  RelativePath path;
  Error error;
};

struct FoundFile {
  RelativePath path;
  std::size_t pattern = 0;  // the first of the patterns that it matches
};

// Visits the regular files beneath a root that match any of the patterns: a directory's files
// sorted by name, then what is beneath its directories, one after the other.
//
// Follows no symbolic link and stays on the root's file system (a bind mount leaves it too); what
// can't match any pattern isn't listed. Leaves out files in the making (see DirectoryWriter). What
// comes or goes meanwhile is met or not; nothing is met twice unless it was moved meanwhile.
//
// A resource type, for one thread. Holds a directory's names at a time, and a descriptor only
// while it lists one.
class FileWalk {
 public:
  // `root` is the descriptor of a directory (O_PATH will do), borrowed as long as the walk lives.
  FileWalk(int root, std::vector<PathPattern> patterns);

  // The next file, or nothing at the end.
  std::optional<FoundFile> next();

  // The directories that couldn't be listed so far, but for those that were just removed.
  const std::vector<FileFailure>& failures() const { return failures_; }

  // The patterns that matched no file so far.
  std::vector<std::string> unmatched() const;

 private:
  struct Names;

  void list(const RelativePath& directory);
  Result<Names> names_in(const RelativePath& directory) const;
  std::optional<std::size_t> match(const RelativePath& path);
  bool may_match_beneath(const RelativePath& directory) const;

  const int root_;
  const std::vector<PathPattern> patterns_;
  std::vector<bool> has_matched_;  // by pattern
  std::vector<FileFailure> failures_;
  // What is still to come, the next one last.
  std::vector<FoundFile> files_;
  std::vector<RelativePath> directories_;
};

struct FoundFiles {
  std::vector<FoundFile> files;  // by pattern, in the patterns' order; then as the walk has them
  std::vector<FileFailure> failures;
};

// The whole walk at once. Errors: ENOENT when a pattern matches no file, naming it; what opening
// the root says.
Result<FoundFiles> find_files(int root, std::vector<PathPattern> patterns);

// Opens a file that a walk has found, for reading; the caller closes the descriptor. Under the same
// rules as the walk: whatever has taken the file's place since, no symbolic link is followed, no
// other file system entered and nothing but a regular file opened.
//
// Errors: ELOOP for a symbolic link, EXDEV for a mount point, EISDIR, EOPNOTSUPP for a special
// file; what openat2 says.
Result<int> open_found_file(int root, const RelativePath& path);

}  // namespace mmapdir
