// SPDX-License-Identifier: MIT
#include "ctl/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cwchar>
#include <ranges>
#include <utility>
#include <vector>

#include "ctl/utf8.h"

namespace mmapdirfs::ctl {
namespace {

// Marks that turn the direction of writing, and separators that some terminals break lines at
// (Unicode, chapter 23).
constexpr std::array<std::pair<char32_t, char32_t>, 7> kHidden = {{{0x00, 0x1F},
                                                                   {0x7F, 0x9F},
                                                                   {0x200B, 0x200F},
                                                                   {0x2028, 0x202E},
                                                                   {0x2066, 0x2069},
                                                                   {0xFEFF, 0xFEFF},
                                                                   {0xFFFE, 0xFFFF}}};

bool is_hidden(char32_t c) {
  return std::ranges::any_of(
      kHidden, [c](const auto& range) { return c >= range.first && c <= range.second; });
}

std::string escaped(char32_t c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto number = static_cast<std::uint32_t>(c);
  if (number < 0x100) {
    return fmt::format("\\x{:02x}", number);
  }
  return number < 0x10000 ? fmt::format("\\u{:04x}", number) : fmt::format("\\U{:08x}", number);
}

std::size_t columns_of(char32_t c) {
  // Knows what the locale knows; in the C locale that is ASCII, and each letter is taken for one.
  const int width = ::wcwidth(static_cast<wchar_t>(c));
  return width < 0 ? 1 : static_cast<std::size_t>(width);
}

}  // namespace

std::string printable(std::string_view text, Charset charset) {
  std::string result;
  for (const auto& character : characters_of(text)) {
    if (!character.code) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(character.bytes[0]));
    } else if (is_hidden(*character.code) ||
               (charset == Charset::kAscii && *character.code >= 0x80)) {
      result += escaped(*character.code);
    } else {
      result += character.bytes;
    }
  }
  return result;
}

std::size_t columns_of(std::string_view printable) {
  std::size_t columns = 0;
  for (const auto& character : characters_of(printable)) {
    columns += columns_of(character.code.value_or('?'));
  }
  return columns;
}

std::string fit(std::string_view printable, std::size_t columns, Charset charset) {
  const auto width = columns_of(printable);
  if (width <= columns) {
    return std::string(printable) + std::string(columns - width, ' ');
  }
  const std::string_view mark = charset == Charset::kUtf8 ? "…" : "~";
  if (columns == 0) {
    return {};
  }
  const auto characters = characters_of(printable);
  // The name at the end of a path is worth more than its beginning.
  const auto head_columns = (columns - 1) / 3;
  std::string head;
  std::size_t used = 0;
  for (const auto& character : characters) {
    const auto more = columns_of(character.code.value_or('?'));
    if (used + more > head_columns) {
      break;
    }
    head += character.bytes;
    used += more;
  }
  std::string tail;
  for (const auto& character : std::views::reverse(characters)) {
    const auto more = columns_of(character.code.value_or('?'));
    if (used + more > columns - 1) {
      break;
    }
    tail.insert(0, character.bytes);
    used += more;
  }
  return head + std::string(mark) + tail + std::string(columns - 1 - used, ' ');
}

}  // namespace mmapdirfs::ctl
