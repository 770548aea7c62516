// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string_view>

#include "mmapdir/advice.h"
#include "mmapdir/path_pattern.h"

namespace mmapdir {

// How files that match a pattern are going to be read. A value type.
struct AdviceRule {
  PathPattern pattern;
  Advice advice;
};

// By the last rule that matches the path; Advice::kNormal without one.
Advice advice_for(std::span<const AdviceRule> rules, std::string_view path);

}  // namespace mmapdir
