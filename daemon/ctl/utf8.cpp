// SPDX-License-Identifier: MIT
#include "ctl/utf8.h"

#include <array>
#include <cstddef>

namespace mmapdirfs::ctl {
namespace {

// Where a length's first byte lies, and the least character that needs so many bytes.
struct Form {
  unsigned char mask;
  unsigned char lead;
  char32_t least;
};

constexpr std::array kForms = {Form{.mask = 0x80, .lead = 0x00, .least = 0x00},
                               Form{.mask = 0xE0, .lead = 0xC0, .least = 0x80},
                               Form{.mask = 0xF0, .lead = 0xE0, .least = 0x800},
                               Form{.mask = 0xF8, .lead = 0xF0, .least = 0x10000}};

Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const Character stray{.bytes = text.substr(0, 1), .code = std::nullopt};
  for (std::size_t more = 0; more < kForms.size(); ++more) {
    const Form& form = kForms.at(more);
    if ((byte(0) & form.mask) != form.lead) {
      continue;
    }
    if (text.size() <= more) {
      return stray;
    }
    char32_t code = byte(0) & static_cast<unsigned char>(~form.mask);
    for (std::size_t i = 1; i <= more; ++i) {
      if ((byte(i) & 0xC0U) != 0x80U) {
        return stray;
      }
      code = (code << 6U) | (byte(i) & 0x3FU);
    }
    const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < form.least || code > 0x10FFFF || is_surrogate) {
      return stray;
    }
    return {.bytes = text.substr(0, more + 1), .code = code};
  }
  return stray;
}

}  // namespace

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> characters;
  while (!text.empty()) {
    characters.push_back(first_of(text));
    text.remove_prefix(characters.back().bytes.size());
  }
  return characters;
}

}  // namespace mmapdirfs::ctl
