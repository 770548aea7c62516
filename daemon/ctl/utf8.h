// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace mmapdirfs::ctl {

// One character of UTF-8, or one byte that belongs to none.
struct Character {
  std::string_view bytes;
  std::optional<char32_t> code;
};

// The text in its characters, which refer to it. Overlong forms, surrogates and what is cut off
// count as bytes that belong to none (RFC 3629).
std::vector<Character> characters_of(std::string_view text);

}  // namespace mmapdirfs::ctl
