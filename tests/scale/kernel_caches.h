// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace mmapdir::test {

// What /proc/sys/vm/drop_caches takes.
inline constexpr std::string_view kPages = "1";
inline constexpr std::string_view kNamesAndInodes = "2";

// Has the kernel give up what it holds of all file systems and nobody uses. Needs root; skips where
// that isn't enough, as in a container.
void drop_kernel_caches(std::string_view what);

}  // namespace mmapdir::test
