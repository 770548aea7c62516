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

// The options of a mount that is read by `path`, and one more.
inline std::vector<std::string> with_option(ReadPath path, const std::string& option) {
  path.push_back(option);
  return path;
}

}  // namespace mmapdir::test
