// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/failure.h"

namespace mmapdirfs::ctl {

// The longest line that the daemon takes, its newline not counted.
inline constexpr std::size_t kMaxCommandBytes = 4096;

// A command as the daemon reads it: the verb, and behind it words of any bytes but NUL, which are
// quoted where they have to be.
class CommandText {
 public:
  explicit CommandText(std::string_view verb) : text_(verb) {}

  CommandText& word(std::string_view word);
  CommandText& words(const std::vector<std::string>& words);
  // --name=value; before all words.
  CommandText& option(std::string_view name, std::string_view value);

  // Without a newline; a failure if it is longer than the daemon takes.
  Outcome<std::string> text() const;

 private:
  std::string text_;
  bool options_end_ = false;  // what begins with dashes is a word from here on
};

}  // namespace mmapdirfs::ctl
