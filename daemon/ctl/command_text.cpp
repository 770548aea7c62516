// SPDX-License-Identifier: MIT
#include "ctl/command_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace mmapdirfs::ctl {
namespace {

bool is_plain(char c) {
  return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '\\' && c != '\x7f';
}

std::string quoted(std::string_view word) {
  if (!word.empty() && std::ranges::all_of(word, is_plain)) {
    return std::string(word);
  }
  std::string text = "\"";
  for (const char c : word) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') {
      text += '\\';
    }
    text += c;
  }
  return text + '"';
}

}  // namespace

CommandText& CommandText::word(std::string_view word) {
  if (word.starts_with("--") && !options_end_) {
    text_ += " --";
    options_end_ = true;
  }
  text_ += ' ';
  text_ += quoted(word);
  return *this;
}

CommandText& CommandText::words(const std::vector<std::string>& words) {
  std::ranges::for_each(words, [this](const auto& each) { word(each); });
  return *this;
}

CommandText& CommandText::option(std::string_view name, std::string_view value) {
  text_ += fmt::format(" --{}={}", name, value);
  return *this;
}

Outcome<std::string> CommandText::text() const {
  if (text_.size() >= kMaxCommandBytes) {
    return fail(
        fmt::format("the words make a command of {} bytes, and the daemon takes fewer than "
                    "{}; give fewer, or a pattern that stands for them",
                    text_.size(), kMaxCommandBytes));
  }
  return text_;
}

}  // namespace mmapdirfs::ctl
