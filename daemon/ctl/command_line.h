// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ctl/failure.h"
#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// A verb to be run, or a text to be printed (--help).
struct VerbRequest {
  const Verb* verb;  // in the table
  Invocation invocation;
};
using CommandLine = std::variant<VerbRequest, std::string>;

// Reads `VERB [options] [MOUNTPOINT] [words]`; `arguments` are without the program's name. The
// failure says what was wrong and what is allowed, and has the status for wrong usage.
Outcome<CommandLine> parse_command_line(const std::vector<std::string>& arguments,
                                        const std::vector<Verb>& verbs);

}  // namespace mmapdirfs::ctl
