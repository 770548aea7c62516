// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mmapdirfs::ctl {

enum class Align { kLeft, kRight };

struct Column {
  std::string_view title;
  Align align = Align::kLeft;
};

// Rows of printable text beneath titles, each column as wide as its widest cell and two blanks
// apart; no blanks at the ends of lines.
std::string format_table(const std::vector<Column>& columns,
                         const std::vector<std::vector<std::string>>& rows);

}  // namespace mmapdirfs::ctl
