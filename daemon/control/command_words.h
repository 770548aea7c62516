// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/types.h"

namespace mmapdirfs {

// What was wrong with a command, and what is allowed.
struct CommandError {
  int errnum;
  std::string message;
};

std::unexpected<CommandError> refuse(int errnum, std::string message);
std::unexpected<CommandError> refuse(const Error& error);

// A line taken apart: VERB [--option=value]... [WORD...].
//
// Words are divided by blanks (spaces and tabs). Between double quotes a blank is itself; a
// backslash makes the next byte itself, but \n within quotes is a newline. "--" ends the options. A
// value type.
struct CommandWords {
  std::string verb;
  std::map<std::string, std::string> options{};  // without the dashes; no value: empty
  std::vector<std::string> words{};

  // The option's value as a whole number; nothing where it wasn't given.
  std::expected<std::optional<std::uint64_t>, CommandError> number(const std::string& option,
                                                                   std::uint64_t least,
                                                                   std::uint64_t most) const;
};

// EINVAL for a NUL, an open quote, a backslash at the end, an option given twice; also for an empty
// line.
std::expected<CommandWords, CommandError> parse_command(std::string_view line);

}  // namespace mmapdirfs
