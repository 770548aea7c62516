// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace mmapdir::test {

// What is answered where another lock covers the range that is asked about.
inline constexpr std::string_view kLocked = "locked";

// Whether an answer tells of a lock that is in the way.
inline bool finds_lock(std::string_view answer) { return answer == "EAGAIN" || answer == kLocked; }

}  // namespace mmapdir::test
