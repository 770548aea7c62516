// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "control/command_words.h"

namespace mmapdirfs {

using Json = nlohmann::ordered_json;

// Where a command is carried out.
enum class CommandPace {
  kAtOnce,  // where it is given: it waits for nothing
  kQuick,   // in a thread that none of the slow ones holds up
  kSlow,
};

// What a command is given while it is carried out. Borrowed for that time.
struct CommandContext {
  // Tells the client an event's members besides "event", which is "progress" or "result". Waits
  // while the client is far behind with reading.
  std::function<void(const char* event, Json members)> say;
  std::stop_token stop;  // the client has gone, or the mount goes
};

using CommandWork = std::function<std::expected<void, CommandError>(const CommandContext&)>;

struct Command {
  std::string_view verb;
  std::string_view usage;  // what stands behind the verb
  CommandPace pace;
  std::vector<std::string_view> options{};  // that it may be given
  std::size_t least_words = 0;
  std::size_t most_words = 0;
  // Checks all that can be told without doing anything.
  std::function<std::expected<CommandWork, CommandError>(const CommandWords&)> prepare;

  static constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();
};

// The commands that there are. add() is set-up; any thread may call the rest.
class CommandTable {
 public:
  struct Prepared {
    CommandPace pace;
    CommandWork work;
  };

  void add(Command command);

  // EINVAL for a line that is no command; the message says what is allowed.
  std::expected<Prepared, CommandError> prepare(std::string_view line) const;

 private:
  std::string verbs() const;

  std::vector<Command> commands_;
};

}  // namespace mmapdirfs
