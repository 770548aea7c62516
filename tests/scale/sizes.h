// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace mmapdir::test {

// How large the tests' sources are.
struct Sizes {
  std::size_t files;        // of the tree
  std::size_t directories;  // that they lie in
  std::size_t listed;       // names in the one large directory
  std::size_t mapped;       // files that are mapped at once
};

// Small ones, or with MMAPDIRFS_SCALE=full those that are promised. Another value is an error.
Sizes sizes();

}  // namespace mmapdir::test
