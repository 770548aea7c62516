// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace mmapdirfs {

// Sets up spdlog's default logger, which all of the daemon logs to. `level` is spdlog's name.
void log_to_stderr(const std::string& level);
void log_to_syslog(const std::string& level);

}  // namespace mmapdirfs
