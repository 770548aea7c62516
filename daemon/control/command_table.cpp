// SPDX-License-Identifier: MIT
#include "control/command_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace mmapdirfs {
namespace {

std::string usage_of(const Command& command) {
  return fmt::format("usage: {}{}{}", command.verb, command.usage.empty() ? "" : " ",
                     command.usage);
}

}  // namespace

void CommandTable::add(Command command) { commands_.push_back(std::move(command)); }

std::string CommandTable::verbs() const {
  std::vector<std::string_view> names;
  std::ranges::transform(commands_, std::back_inserter(names), &Command::verb);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::expected<CommandTable::Prepared, CommandError> CommandTable::prepare(
    std::string_view line) const {
  const auto words = parse_command(line);
  if (!words) {
    return std::unexpected(words.error());
  }
  const auto found = std::ranges::find(commands_, words->verb, &Command::verb);
  if (found == commands_.end()) {
    return refuse(EINVAL,
                  fmt::format("no such command: '{}'; allowed are {}", words->verb, verbs()));
  }
  for (const auto& [option, value] : words->options) {
    if (std::ranges::find(found->options, option) == found->options.end()) {
      return refuse(
          EINVAL, fmt::format("{} has no option --{}; {}", found->verb, option, usage_of(*found)));
    }
  }
  const std::size_t count = words->words.size();
  if (count < found->least_words || count > found->most_words) {
    return refuse(EINVAL,
                  fmt::format("{} is given {} words, which are too {}; {}", found->verb, count,
                              count < found->least_words ? "few" : "many", usage_of(*found)));
  }
  auto work = found->prepare(*words);
  if (!work) {
    return std::unexpected(work.error());
  }
  return Prepared{.pace = found->pace, .work = std::move(*work)};
}

}  // namespace mmapdirfs
