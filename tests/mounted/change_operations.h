// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mmapdir::test {

// One change to a tree of change_tree.h. What it answers is text, on one line: a value, or the name
// of the errno.
struct Change {
  // The changes of one group are made one after the other to the same tree.
  std::string group;
  std::string name;
  std::function<std::string(const std::filesystem::path& tree)> make;
};

using Changes = std::vector<Change>;

void add_name_changes(Changes& table);       // what directories hold
void add_attribute_changes(Changes& table);  // modes, owners, times, extended attributes
void add_file_changes(Changes& table);       // opening, writing, truncating, allocating
void add_ownership_changes(Changes& table);  // who owns what is made, and who loses which bits

// Every path that has something about it, those that fail for everybody first.
const std::vector<std::string>& change_paths();

// One change, in a group named as it is, to each of those paths.
void change_each_path(Changes& table, const std::string& name,
                      const std::function<std::string(const std::filesystem::path&)>& change);

}  // namespace mmapdir::test
