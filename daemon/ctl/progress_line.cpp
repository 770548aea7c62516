// SPDX-License-Identifier: MIT
#include "ctl/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "ctl/fields.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::size_t kBarColumns = 20;

std::string bar(unsigned percent, Charset charset) {
  const std::size_t full = kBarColumns * percent / 100;
  std::string text;
  for (std::size_t i = 0; i < kBarColumns; ++i) {
    const bool is_full = i < full;
    if (charset == Charset::kUtf8) {
      text += is_full ? "█" : "░";
    } else {
      text += is_full ? '#' : '.';
    }
  }
  return text;
}

}  // namespace

std::string progress_text(const nlohmann::json& figures, const Terminal& terminal) {
  const auto bytes = number_of(figures, "bytes");
  const auto total = number_of(figures, "total");
  const auto rate = number_of(figures, "rate");
  const auto percent = percent_of(bytes, total);
  auto text = fmt::format("{} {:>3} %  {} of {}", bar(percent, terminal.charset), percent,
                          format_size(bytes), format_size(total));
  if (rate > 0) {
    const auto left = total > bytes ? total - bytes : 0;
    text += fmt::format("  {}/s  {} left", format_size(rate), format_duration(left / rate));
  }
  const auto path = text_of(figures, "path");
  if (!path.empty()) {
    text += "  " + printable(path, terminal.charset);
  }
  // Not the last column, behind which a terminal would begin a line.
  return fit(text, std::min<std::size_t>(terminal.columns - 1, columns_of(text)), terminal.charset);
}

ProgressLine::~ProgressLine() {
  if (is_drawn_) {
    out_ << "\r\x1b[K" << std::flush;
  }
}

void ProgressLine::show(const nlohmann::json& figures) {
  if (!terminal_.is_terminal) {
    return;
  }
  out_ << '\r' << progress_text(figures, terminal_) << "\x1b[K" << std::flush;
  is_drawn_ = true;
}

}  // namespace mmapdirfs::ctl
