// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"
#include "support/unique_fd.h"

namespace mmapdir {

// Opens what `path` names beneath the directory `root` (which may be O_PATH) with the given O_
// flags and O_CLOEXEC. Symbolic links are followed as long as they stay beneath; EXDEV if not. The
// root itself is a fine path.
Result<UniqueFd> open_beneath(int root, const RelativePath& path, int flags);

// The same, but for a path that holds no symbolic link and leads to no other mount: ELOOP, EXDEV.
Result<UniqueFd> open_itself_beneath(int root, const RelativePath& path, int flags);

// Opens a directory so that it can be listed, changed and synced.
Result<UniqueFd> open_directory_beneath(int root, const RelativePath& path);

// The status of what `path` names, following links as above.
Result<struct stat> status_beneath(int root, const RelativePath& path);

struct OpenFile {
  UniqueFd fd;
  std::uint64_t size;
};

// Opens a regular file for reading. Errors also: EISDIR, and EOPNOTSUPP for special files; it
// never blocks on one.
Result<OpenFile> open_file_beneath(int root, const RelativePath& path);

// The same without symbolic links and other mounts.
Result<OpenFile> open_itself_as_file_beneath(int root, const RelativePath& path);

// The error of these two for a status, if any.
Result<void> check_is_regular(const struct stat& status, const RelativePath& path);

}  // namespace mmapdir
