// SPDX-License-Identifier: MIT
#include "fs/mapped_paths.h"

#include <charconv>
#include <fstream>
#include <utility>

namespace mmapdirfs {
namespace {

// The kernel writes a newline in a name as an escape, and nothing else.
std::string unescape(std::string_view text) {
  constexpr std::string_view kNewline = "\\012";
  std::string result;
  for (auto at = text.find(kNewline); at != std::string_view::npos; at = text.find(kNewline)) {
    result += text.substr(0, at);
    result += '\n';
    text.remove_prefix(at + kNewline.size());
  }
  return result.append(text);
}

}  // namespace

// A line: 7f2a64000000-7f2a64001000 r--s 00000000 08:01 1234    /path
std::unordered_map<std::uintptr_t, std::string> mapped_paths(std::string_view directory) {
  std::string prefix(directory);
  if (!prefix.ends_with('/')) {
    prefix += '/';
  }
  std::unordered_map<std::uintptr_t, std::string> paths;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto slash = line.find('/');
    if (slash == std::string::npos) {
      continue;
    }
    const std::string path = unescape(std::string_view(line).substr(slash));
    std::uintptr_t address = 0;
    std::from_chars(line.data(), line.data() + line.size(), address, 16);
    if (path.starts_with(prefix)) {
      paths.emplace(address, path.substr(prefix.size()));
    }
  }
  return paths;
}

}  // namespace mmapdirfs
