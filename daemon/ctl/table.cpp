// SPDX-License-Identifier: MIT
#include "ctl/table.h"

#include <algorithm>
#include <cstddef>

#include "ctl/printable.h"

namespace mmapdirfs::ctl {
namespace {

std::vector<std::size_t> widths(const std::vector<Column>& columns,
                                const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = columns[i].title.size();
    for (const auto& row : rows) {
      width = std::max(width, columns_of(row[i]));
    }
    widths.push_back(width);
  }
  return widths;
}

std::string padded(std::string_view cell, std::size_t width, Align align) {
  const std::string blanks(width - std::min(width, columns_of(cell)), ' ');
  return align == Align::kLeft ? std::string(cell) + blanks : blanks + std::string(cell);
}

}  // namespace

std::string format_table(const std::vector<Column>& columns,
                         const std::vector<std::vector<std::string>>& rows) {
  const auto wide = widths(columns, rows);
  std::string text;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      line += (i == 0 ? "" : "  ") + padded(cell_of(i), wide[i], columns[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  add_line([&](std::size_t i) { return columns[i].title; });
  for (const auto& row : rows) {
    add_line([&](std::size_t i) { return std::string_view(row[i]); });
  }
  return text;
}

}  // namespace mmapdirfs::ctl
