// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "control/command_words.h"
#include "mmapdir/path_pattern.h"

namespace mmapdirfs {

// EINVAL for a word that is no pattern.
inline std::expected<std::vector<mmapdir::PathPattern>, CommandError> to_patterns(
    const std::vector<std::string>& words) {
  std::vector<mmapdir::PathPattern> patterns;
  for (const auto& word : words) {
    auto pattern = mmapdir::PathPattern::compile(word);
    if (!pattern) {
      return refuse(pattern.error());
    }
    patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

}  // namespace mmapdirfs
