// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ctl/failure.h"

namespace mmapdirfs::ctl {

// How a command's answers ended: by the daemon, or because this program was asked to stop.
enum class Ending { kAnswered, kInterrupted };

// The way to the daemon of one mount: the files of its control directory. An interface, so that the
// verbs are tested without a mount. Used by one thread.
class ControlChannel {
 public:
  ControlChannel() = default;
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;
  virtual ~ControlChannel() = default;

  // All that the file of that name holds: "status", "files", "metrics", "config".
  virtual Outcome<std::string> read_file(std::string_view name) = 0;

  // Sends one command line and hands out each line of the answer as it comes. On kInterrupted the
  // daemon has been told to stop, by closing the handle on which it was asked.
  virtual Outcome<Ending> converse(const std::string& command,
                                   const std::function<void(std::string_view line)>& take) = 0;
};

}  // namespace mmapdirfs::ctl
