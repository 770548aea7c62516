// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace mmapdirfs {

// The paths, from `directory` (an absolute path) on, of the files beneath it that this process has
// mapped, by the address at which a mapping begins. As /proc/self/maps has them at this moment: a
// file that was deleted has a name that leads nowhere, so see where a path leads before it is used.
std::unordered_map<std::uintptr_t, std::string> mapped_paths(std::string_view directory);

}  // namespace mmapdirfs
