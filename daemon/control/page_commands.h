// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include "control/command_table.h"

namespace mmapdirfs {

// `warm`, `hot-save` and `hot-load`: what is in memory of the source's files. `root` is the
// source's, borrowed. No hot set is taken from, or put into, the mount itself.
void add_page_commands(CommandTable& table, int root, const std::filesystem::path& mountpoint);

// Whether a file lies in a directory, links followed, as far as its path exists.
bool lies_within(const std::filesystem::path& file, const std::filesystem::path& directory);

}  // namespace mmapdirfs
