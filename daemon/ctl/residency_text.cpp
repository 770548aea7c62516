// SPDX-License-Identifier: MIT
#include "ctl/residency_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "ctl/printable.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::array<std::string_view, 5> kUnicode = {"·", "░", "▒", "▓", "█"};
constexpr std::array<std::string_view, 5> kAscii = {".", "-", "+", "*", "#"};
// Faint, yellow and green: understood by every terminal with colours, on light and dark.
constexpr std::array<std::string_view, 5> kColours = {"\x1b[2m", "\x1b[33m", "\x1b[33m", "\x1b[33m",
                                                      "\x1b[32m"};
constexpr std::string_view kPlain = "\x1b[0m";

constexpr std::size_t kFigureColumns = 18;  // "  100 %  10.0 MiB" and one to spare
constexpr std::size_t kLeastName = 8;
constexpr std::size_t kLeastBar = 4;

std::string bar(const FileResidency& file, std::size_t columns, const Terminal& terminal) {
  const auto& glyphs = terminal.charset == Charset::kUtf8 ? kUnicode : kAscii;
  std::string text;
  std::string_view colour;
  for (const unsigned percent : resample(file.cells, columns)) {
    const auto shade = static_cast<std::size_t>(shade_of(percent));
    if (terminal.has_colour && colour != kColours.at(shade)) {
      // Faint doesn't end with another colour.
      text += colour.empty() ? "" : kPlain;
      colour = kColours.at(shade);
      text += colour;
    }
    text += glyphs.at(shade);
  }
  text += colour.empty() ? "" : kPlain;
  return file.cells.empty() ? std::string(columns, ' ') : text;
}

}  // namespace

std::string residency_text(const std::vector<FileResidency>& files, const Terminal& terminal) {
  std::size_t widest = kLeastName;
  for (const auto& file : files) {
    widest = std::max(widest, columns_of(printable(file.path, terminal.charset)));
  }
  const std::size_t columns = terminal.columns;
  const auto name_columns = std::min(widest, std::max(kLeastName, columns / 3));
  const auto used = name_columns + 1 + kFigureColumns;
  const auto bar_columns = columns > used + kLeastBar ? columns - used : kLeastBar;
  std::string text;
  for (const auto& file : files) {
    text += fmt::format("{} {}  {:>3} %  {:>8}\n",
                        fit(printable(file.path, terminal.charset), name_columns, terminal.charset),
                        bar(file, bar_columns, terminal),
                        percent_of(file.resident_bytes, file.size), format_size(file.size));
  }
  const auto sum = sum_of(files);
  return text + fmt::format("{} of {} in memory ({} %), {}\n", format_size(sum.resident_bytes),
                            format_size(sum.size), percent_of(sum.resident_bytes, sum.size),
                            counted(files.size(), "file"));
}

}  // namespace mmapdirfs::ctl
