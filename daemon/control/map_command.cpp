// SPDX-License-Identifier: MIT
#include "control/map_command.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "control/patterns.h"
#include "mmapdir/file_walk.h"
#include "mmapdir/residency.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kCells = 64;
constexpr std::size_t kMostCells = 4096;

using mmapdir::PathPattern;

// A file that has gone since it was found has nothing in memory.
Result<void> show(int root, const mmapdir::RelativePath& path, std::size_t cells,
                  const CommandContext& context) {
  auto opened = mmapdir::open_found_file(root, path);
  if (!opened) {
    return opened.error().errnum() == ENOENT ? Result<void>() : std::unexpected(opened.error());
  }
  const UniqueFd file(*opened);
  const auto residency = mmapdir::residency_of(file.get(), cells);
  if (!residency) {
    return std::unexpected(residency.error());
  }
  context.say("result", {{"path", path.string()},
                         {"size", residency->size},
                         {"page_size", residency->page_size},
                         {"resident_bytes", residency->resident_bytes},
                         {"source", name_of(residency->source)},
                         {"cells", residency->cells}});
  return {};
}

std::expected<void, CommandError> map(int root, std::vector<PathPattern> patterns,
                                      std::size_t cells, const CommandContext& context) {
  mmapdir::FileWalk walk(root, std::move(patterns));
  std::size_t failures = 0;
  std::optional<Error> first;
  const auto note = [&](const Error& error) {
    ++failures;
    first = first ? first : std::optional(error);
  };
  while (const auto found = walk.next()) {
    if (context.stop.stop_requested()) {
      return refuse(ECANCELED, "map was cancelled");
    }
    if (const auto shown = show(root, found->path, cells, context); !shown) {
      note(shown.error());
    }
  }
  for (const auto& failure : walk.failures()) {
    note(failure.error);
  }
  if (first) {
    return refuse(first->errnum(), fmt::format("{} of the files or directories can't be looked at; "
                                               "the first: {}",
                                               failures, first->message()));
  }
  if (const auto unmatched = walk.unmatched(); !unmatched.empty()) {
    return refuse(ENOENT, fmt::format("no file matches '{}'; patterns are relative to the mount's "
                                      "root, and '**' stands for any directories",
                                      unmatched.front()));
  }
  return {};
}

}  // namespace

void add_map_command(CommandTable& table, int root) {
  table.add(
      {.verb = "map",
       .usage = "[--cells=N] [PATTERN...]",
       .pace = CommandPace::kSlow,
       .options = {"cells"},
       .most_words = Command::kAnyNumber,
       .prepare = [root](const CommandWords& words) -> std::expected<CommandWork, CommandError> {
         const bool all = words.words.empty();
         auto patterns = to_patterns(all ? std::vector<std::string>{"**"} : words.words);
         if (!patterns) {
           return std::unexpected(patterns.error());
         }
         const auto cells = words.number("cells", 1, kMostCells);
         if (!cells) {
           return std::unexpected(cells.error());
         }
         return [root, all, patterns = std::move(*patterns),
                 cells = cells->value_or(kCells)](const CommandContext& context) {
           auto result = map(root, patterns, cells, context);
           // A source without files has a map without rows.
           return all && !result && result.error().errnum == ENOENT
                      ? std::expected<void, CommandError>()
                      : result;
         };
       }});
}

}  // namespace mmapdirfs
