// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mmapdir::test {

// One question to a directory. Its answer is text: a value, or the name of the errno.
struct Operation {
  std::string name;
  std::function<std::string(const std::filesystem::path& root)> ask;
  // It asks for a permission to write. The kernel refuses that on a read-only file system before it
  // looks at the permissions, and on a read-only bind mount after it.
  bool writes = false;
};

// All of them; they ask about the tree of parity_tree.h.
std::vector<Operation> parity_operations();

// The part that is about open files and extended attributes; parity_operations() has it as well.
void add_data_operations(std::vector<Operation>& table);

}  // namespace mmapdir::test
