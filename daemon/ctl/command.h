// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

#include "ctl/command_text.h"
#include "ctl/control_channel.h"
#include "ctl/failure.h"

namespace mmapdirfs::ctl {

using Json = nlohmann::json;

// Who takes what a command answers. Each object comes without its "event".
struct Answers {
  std::function<void(const Json&)> result;
  std::function<void(const Json&)> progress = [](const Json& /*figures*/) {};
};

// Has the daemon carry out a command. A command that the daemon couldn't carry out is a failure
// with the daemon's own message; so is an answer that is none.
Outcome<Ending> run_command(ControlChannel& channel, const CommandText& command,
                            const Answers& answers);

// The same for a command that answers with one object.
Outcome<Json> ask(ControlChannel& channel, const CommandText& command);

// A file of the control directory that holds one object, or one a line.
Outcome<Json> read_object(ControlChannel& channel, std::string_view name);
Outcome<std::vector<Json>> read_lines(ControlChannel& channel, std::string_view name);

}  // namespace mmapdirfs::ctl
