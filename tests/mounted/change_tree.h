// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/process.h"

namespace mmapdir::test {

// A tree with a file of every kind, owner and permission, for changing operations to work on. Needs
// root; `owner` has what isn't root's.
void make_change_tree(const std::filesystem::path& root, const User& owner);

// All that there is to say of a tree, a line for each file: type, mode, owner, links, size,
// content, extended attributes and times; of those it says only that they are recent where they
// are. Needs root; leaves no trace.
std::vector<std::string> describe_tree(const std::filesystem::path& root);

// The lines that only one of two has.
std::vector<std::string> lines_apart(const std::vector<std::string>& actual,
                                     const std::vector<std::string>& expected);

}  // namespace mmapdir::test
