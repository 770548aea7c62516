// SPDX-License-Identifier: MIT
#pragma once

#include <ranges>
#include <string>
#include <vector>

#include "mmapdir/advice.h"
#include "mmapdir/path_pattern.h"

namespace mmapdirfs {

// How the files that match a pattern are going to be read. A value.
struct AdviceRule {
  mmapdir::PathPattern pattern;
  mmapdir::Advice advice;
};

// That of the last rule that matches; normal where none does.
inline mmapdir::Advice advice_for(const std::vector<AdviceRule>& rules, const std::string& path) {
  for (const auto& rule : std::ranges::reverse_view(rules)) {
    if (rule.pattern.matches(path)) {
      return rule.advice;
    }
  }
  return mmapdir::Advice::kNormal;
}

}  // namespace mmapdirfs
