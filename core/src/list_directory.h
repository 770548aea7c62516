// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// Directory::list_files() for the directory `directory` beneath the descriptor `root`.
Result<std::vector<RelativePath>> list_files_beneath(int root, const RelativePath& directory);

}  // namespace mmapdir
