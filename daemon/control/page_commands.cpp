// SPDX-License-Identifier: MIT
#include "control/page_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "control/patterns.h"
#include "mmapdir/hot_set.h"
#include "mmapdir/warm.h"

namespace mmapdirfs {
namespace {

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMostSkips = 100;

mmapdir::WarmProgressCallback progress_to(const CommandContext& context) {
  return [&context](const mmapdir::WarmProgress& progress) {
    context.say("progress", {{"bytes", progress.bytes},
                             {"total", progress.total},
                             {"rate", progress.bytes_per_second},
                             {"path", progress.path.string()}});
  };
}

Json to_json(const mmapdir::WarmReport& report) {
  Json failures = Json::array();
  for (const auto& failure : report.failures) {
    failures.push_back({{"path", failure.path.string()}, {"message", failure.error.message()}});
  }
  return {{"files", report.files},
          {"asked_bytes", report.asked_bytes},
          {"read_bytes", report.read_bytes},
          {"resident_bytes", report.resident_bytes},
          {"dropped_bytes", report.dropped_bytes},
          {"stopped_by", report.stopped_by ? Json(name_of(*report.stopped_by)) : Json()},
          {"failures", std::move(failures)}};
}

std::expected<mmapdir::WarmOptions, CommandError> warm_options(const CommandWords& words) {
  const auto rate = words.number("rate", 1, kAnyNumber);
  const auto limit = words.number("limit", 0, kAnyNumber);
  const auto share = words.number("share", 1, 100);
  for (const auto* option : {&rate, &limit, &share}) {
    if (!*option) {
      return std::unexpected(option->error());
    }
  }
  mmapdir::WarmOptions options{.bytes_per_second = *rate, .limit_bytes = *limit};
  options.memory_percent = static_cast<unsigned>(share->value_or(options.memory_percent));
  return options;
}

std::expected<CommandWork, CommandError> prepare_warm(int root, const CommandWords& words) {
  auto patterns = to_patterns(words.words);
  if (!patterns) {
    return std::unexpected(patterns.error());
  }
  const auto options = warm_options(words);
  if (!options) {
    return std::unexpected(options.error());
  }
  return [root, patterns = std::move(*patterns),
          options = *options](const CommandContext& context) -> std::expected<void, CommandError> {
    const auto report = mmapdir::warm(root, patterns, options, progress_to(context), context.stop);
    if (!report) {
      return refuse(report.error());
    }
    context.say("result", to_json(*report));
    return {};
  };
}

std::expected<std::filesystem::path, CommandError> hot_set_file(const CommandWords& words) {
  std::filesystem::path file = words.words.front();
  if (!file.is_absolute()) {
    return refuse(EINVAL,
                  fmt::format("{} {}: the path is relative; allowed is one that begins with '/'",
                              words.verb, file.string()));
  }
  return file;
}

std::expected<void, CommandError> save(int root, const std::filesystem::path& file,
                                       const CommandContext& context) {
  const auto saved = mmapdir::save_hot_set(root, file, context.stop);
  if (!saved) {
    return refuse(saved.error());
  }
  context.say("result", {{"files", saved->files}, {"bytes", saved->bytes}});
  return {};
}

std::expected<void, CommandError> load(int root, const std::filesystem::path& file,
                                       const CommandContext& context) {
  const auto loaded = mmapdir::load_hot_set(root, file, {}, progress_to(context), context.stop);
  if (!loaded) {
    return refuse(loaded.error());
  }
  if (loaded->warmed.stopped_by == mmapdir::WarmStop::kCancel) {
    return refuse(ECANCELED, "hot-load was cancelled");
  }
  Json skipped = Json::array();
  for (const auto& skip : loaded->skipped) {
    if (skipped.size() == kMostSkips) {
      break;
    }
    skipped.push_back({{"path", skip.path.string()}, {"reason", skip.reason}});
  }
  context.say("result", {{"files", loaded->warmed.files},
                         {"bytes", loaded->warmed.asked_bytes},
                         {"read_bytes", loaded->warmed.read_bytes},
                         {"resident_bytes", loaded->warmed.resident_bytes},
                         {"skipped_files", loaded->skipped.size()},
                         {"skipped", std::move(skipped)}});
  return {};
}

template <auto Action>
Command hot_set_command(std::string_view verb, int root, const std::filesystem::path& mountpoint) {
  return {
      .verb = verb,
      .usage = "FILE",
      .pace = CommandPace::kSlow,
      .least_words = 1,
      .most_words = 1,
      .prepare = [root, mountpoint](
                     const CommandWords& words) -> std::expected<CommandWork, CommandError> {
        auto file = hot_set_file(words);
        if (!file) {
          return std::unexpected(file.error());
        }
        return [root, mountpoint, verb = words.verb, file = std::move(*file)](
                   const CommandContext& context) -> std::expected<void, CommandError> {
          // Looks the path up, in the mount itself perhaps: that is never done by a thread that
          // serves a request, which may be the one that is to answer.
          if (lies_within(file, mountpoint)) {
            return refuse(
                EINVAL,
                fmt::format("{} {}: it lies in the mount itself; allowed is a file outside of it",
                            verb, file.string()));
          }
          return Action(root, file, context);
        };
      }};
}

}  // namespace

bool lies_within(const std::filesystem::path& file, const std::filesystem::path& directory) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(file, error);
  const auto& path = error ? file : real;
  return std::ranges::mismatch(directory, path).in1 == directory.end();
}

void add_page_commands(CommandTable& table, int root, const std::filesystem::path& mountpoint) {
  table.add({.verb = "warm",
             .usage = "[--rate=BYTES/S] [--limit=BYTES] [--share=PERCENT] PATTERN...",
             .pace = CommandPace::kSlow,
             .options = {"rate", "limit", "share"},
             .least_words = 1,
             .most_words = Command::kAnyNumber,
             .prepare = [root](const CommandWords& words) { return prepare_warm(root, words); }});
  table.add(hot_set_command<save>("hot-save", root, mountpoint));
  table.add(hot_set_command<load>("hot-load", root, mountpoint));
}

}  // namespace mmapdirfs
