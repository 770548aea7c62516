// SPDX-License-Identifier: MIT
#include "scale/tree.h"

#include <fmt/format.h>

#include <string>

#include "support/files.h"

namespace mmapdir::test {

void make_tree(const std::filesystem::path& root, std::size_t files, std::size_t directories) {
  for (std::size_t i = 0; i < files; ++i) {
    const std::size_t number = i % directories;
    const auto directory = root / fmt::format("{:03}/{:02}", number / 100, number % 100);
    if (i < directories) {
      std::filesystem::create_directories(directory);
    }
    const char* name =
        i % 8 == 0 ? "a-document-whose-name-is-longer-than-most-{:06}.json" : "document-{:06}.json";
    write_file(directory / fmt::format(fmt::runtime(name), i / directories),
               std::string(i % 50 == 0 ? 100 : 0, 'x'));
  }
}

}  // namespace mmapdir::test
