// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <string>
#include <vector>

#include "support/requirements.h"

namespace mmapdir::test {

// The ways by which a byte gets from the source to a reader, as options of the daemon.
using ReadPath = std::vector<std::string>;

inline std::vector<ReadPath> read_paths() {
  return {{"--read-path=passthrough"},
          {"--read-path=mapped"},
          {"--read-path=mapped", "--cache=never"},
          {"--read-path=plain"}};
}

// Runs the rest of the test once for each read path that the machine has.
inline ReadPath each_read_path() {
  ReadPath path = GENERATE(from_range(read_paths()));
  if (path == read_paths().front()) {
    require_passthrough();
  }
  return path;
}

// The options of a mount that can be written.
inline std::vector<std::string> read_write(ReadPath path, const std::string& more = {}) {
  path.emplace_back("--access=read-write");
  if (!more.empty()) {
    path.push_back(more);
  }
  return path;
}

}  // namespace mmapdir::test
