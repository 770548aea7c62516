// SPDX-License-Identifier: MIT
#include "control/pin_commands.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "control/patterns.h"

namespace mmapdirfs {
namespace {

Json to_json(const mmapdir::PinnedFile& file) {
  return {{"path", file.path.string()},
          {"pattern", file.pattern},
          {"intended_bytes", file.intended_bytes},
          {"pinned_bytes", file.pinned_bytes},
          {"reason", file.reason.empty() ? Json() : Json(file.reason)}};
}

std::expected<void, CommandError> pin(PinKeeper& keeper,
                                      const std::vector<mmapdir::PathPattern>& patterns,
                                      std::optional<std::uint64_t> budget,
                                      const CommandContext& context) {
  const auto report = keeper.pin(patterns, budget, context.stop);
  if (!report) {
    return refuse(report.error());
  }
  std::uint64_t intended = 0;
  std::uint64_t pinned = 0;
  for (const auto& file : report->files) {
    context.say("result", to_json(file));
    intended += file.intended_bytes;
    pinned += file.pinned_bytes;
  }
  context.say(
      "result",
      {{"files", report->files.size()}, {"intended_bytes", intended}, {"pinned_bytes", pinned}});
  if (!report->failures.empty()) {
    return refuse(report->failures.front().error);
  }
  return {};
}

std::expected<CommandWork, CommandError> prepare_pin(PinKeeper& keeper, const CommandWords& words) {
  auto patterns = to_patterns(words.words);
  if (!patterns) {
    return std::unexpected(patterns.error());
  }
  const auto budget = words.number("budget", 0, std::numeric_limits<std::uint64_t>::max());
  if (!budget) {
    return std::unexpected(budget.error());
  }
  return [&keeper, patterns = std::move(*patterns), budget = *budget](
             const CommandContext& context) { return pin(keeper, patterns, budget, context); };
}

std::expected<CommandWork, CommandError> prepare_unpin(PinKeeper& keeper,
                                                       const CommandWords& words) {
  auto patterns = to_patterns(words.words);
  if (!patterns) {
    return std::unexpected(patterns.error());
  }
  return [&keeper, patterns = std::move(*patterns)](
             const CommandContext& context) -> std::expected<void, CommandError> {
    const auto released = keeper.unpin(patterns);
    if (!released) {
      return refuse(released.error());
    }
    context.say("result", {{"files", released->files}, {"bytes", released->pinned_bytes}});
    return {};
  };
}

}  // namespace

void add_pin_commands(CommandTable& table, PinKeeper& keeper) {
  table.add(
      {.verb = "pin",
       .usage = "[--budget=BYTES] PATTERN...",
       .pace = CommandPace::kSlow,
       .options = {"budget"},
       .least_words = 1,
       .most_words = Command::kAnyNumber,
       .prepare = [&keeper](const CommandWords& words) { return prepare_pin(keeper, words); }});
  table.add(
      {.verb = "unpin",
       .usage = "PATTERN...",
       .pace = CommandPace::kSlow,
       .least_words = 1,
       .most_words = Command::kAnyNumber,
       .prepare = [&keeper](const CommandWords& words) { return prepare_unpin(keeper, words); }});
  table.add({.verb = "pins",
             .usage = "",
             .pace = CommandPace::kQuick,
             .prepare = [&keeper](const CommandWords& /*words*/) -> CommandWork {
               return [&keeper](const CommandContext& context) {
                 for (const auto& file : keeper.list()) {
                   context.say("result", to_json(file));
                 }
                 return std::expected<void, CommandError>();
               };
             }});
}

}  // namespace mmapdirfs
