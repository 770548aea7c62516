// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>

namespace mmapdir::test {

// Makes `files` files, most of them empty and some with long names, in `directories` directories,
// which lie a hundred in a directory. Everybody may read all of it.
void make_tree(const std::filesystem::path& root, std::size_t files, std::size_t directories);

}  // namespace mmapdir::test
