// SPDX-License-Identifier: MIT
#pragma once

#include "mmapdir/file_lock.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// DirectoryWriter::lock() of the file `name` in `directory`, as MmapDirectory does it: by an open
// file description lock on the whole file. `path` is for Errors.
Result<FileLock> lock_file(int directory, const char* name, LockMode mode,
                           const RelativePath& path);

}  // namespace mmapdir
