// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "ctl/command_text.h"
#include "ctl/failure.h"
#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// Each adds an option that the user gave to the command, as a plain number of bytes, or does
// nothing; what isn't such a size is a failure that says what is allowed.

// "10M", or "20%" of the machine's memory. More than the memory can't be meant.
Outcome<void> add_memory_option(const Invocation& invocation, std::string_view name,
                                CommandText& command);
// "10M" or "10M/s"; not 0, with which nothing would ever be read.
Outcome<void> add_rate_option(const Invocation& invocation, std::string_view name,
                              CommandText& command);
// "20" or "20%", from 1 to 100.
Outcome<void> add_percent_option(const Invocation& invocation, std::string_view name,
                                 CommandText& command);

}  // namespace mmapdirfs::ctl
