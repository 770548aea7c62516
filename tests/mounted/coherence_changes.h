// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace mmapdir::test {

inline constexpr std::size_t kMappedSize = 4096;  // of `file`, as a viewer maps it
inline constexpr std::size_t kMoreThanAFile = 65536;

// A file `file` of two pages and a bit with an xattr, a symbolic link `link`, a directory
// `directory` with a file `inner`, and an empty one `empty`; outside what a viewer looks at,
// `elsewhere/deep`, a directory that no mount is asked for, with a file `newcomer`. There is no
// `absent` and no `moved`.
void make_tree(const std::filesystem::path& root);

// A change that a program makes on the source.
struct SourceChange {
  const char* name;
  void (*make)(const std::filesystem::path& source);
  // The questions (coherence_view.h) that a kernel which nobody tells of the change goes on
  // answering from its memory: in any read path, and where the mount's inodes have pages, as they
  // have not in passthrough. The others it asks.
  std::vector<std::string> kept;
  std::vector<std::string> kept_with_pages = {};
  bool needs_root = false;
};

const std::vector<SourceChange>& source_changes();

}  // namespace mmapdir::test
