// SPDX-License-Identifier: MIT
#include "control/mount_commands.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <latch>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace mmapdirfs {
namespace {

// As --log-level has them.
constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 4> kLevels = {{
    {"error", spdlog::level::err},
    {"warn", spdlog::level::warn},
    {"info", spdlog::level::info},
    {"debug", spdlog::level::debug},
}};

std::string_view name_of_level(spdlog::level::level_enum level) {
  const auto* const found =
      std::ranges::find(kLevels, level, [](const auto& row) { return row.second; });
  return found == kLevels.end() ? "off" : found->first;
}

std::expected<CommandWork, CommandError> prepare_log_level(const CommandWords& words) {
  const auto& name = words.words.front();
  const auto* const found =
      std::ranges::find(kLevels, name, [](const auto& row) { return row.first; });
  if (found == kLevels.end()) {
    return refuse(
        EINVAL,
        fmt::format("log-level: no such level: '{}'; allowed are error, warn, info, debug", name));
  }
  return [level = found->second](const CommandContext& context) {
    const auto before = spdlog::get_level();
    spdlog::set_level(level);
    context.say("result", {{"level", name_of_level(level)}, {"before", name_of_level(before)}});
    return std::expected<void, CommandError>();
  };
}

// So many at a time that the thread that forgets never waits for this one, and programs that wait
// for it don't have to wait for all.
constexpr std::size_t kBatch = 64;

std::size_t forget_pages(const std::vector<NodeId>& nodes, const KernelForgetting& kernel,
                         const std::stop_token& stop) {
  std::size_t forgotten = 0;
  while (forgotten < nodes.size() && !stop.stop_requested()) {
    const auto rest = std::span(nodes).subspan(forgotten);
    const auto batch = rest.first(std::min(rest.size(), kBatch));
    std::latch left(static_cast<std::ptrdiff_t>(batch.size()));
    for (const NodeId node : batch) {
      kernel.forget_pages(node, [&left] { left.count_down(); });
    }
    left.wait();
    forgotten += batch.size();
  }
  return forgotten;
}

}  // namespace

void add_mount_commands(CommandTable& table, const Versions& versions, mmapdir::MappingCache& cache,
                        FileSystem& fs, const KernelForgetting& kernel) {
  table.add({.verb = "version",
             .usage = "",
             .pace = CommandPace::kAtOnce,
             .prepare = [versions](const CommandWords& /*words*/) -> CommandWork {
               return [versions](const CommandContext& context) {
                 context.say("result",
                             {{"version", versions.mmapdirfs}, {"libfuse", versions.libfuse}});
                 return std::expected<void, CommandError>();
               };
             }});
  table.add({.verb = "log-level",
             .usage = "error|warn|info|debug",
             .pace = CommandPace::kAtOnce,
             .least_words = 1,
             .most_words = 1,
             .prepare = prepare_log_level});
  table.add({.verb = "clear-cache",
             .usage = "",
             .pace = CommandPace::kQuick,
             .prepare = [&cache, &fs, kernel](const CommandWords& /*words*/) -> CommandWork {
               return [&cache, &fs,
                       kernel](const CommandContext& context) -> std::expected<void, CommandError> {
                 const auto before = cache.counters();
                 fs.close_kept_files();
                 cache.clear();
                 const auto after = cache.counters();
                 kernel.expire_all_names();
                 const std::size_t inodes = forget_pages(fs.known_nodes(), kernel, context.stop);
                 if (context.stop.stop_requested()) {
                   return refuse(ECANCELED, "clear-cache was cancelled");
                 }
                 context.say(
                     "result",
                     {{"mappings", before.mappings - std::min(before.mappings, after.mappings)},
                      {"mapped_bytes",
                       before.mapped_bytes - std::min(before.mapped_bytes, after.mapped_bytes)},
                      {"inodes", inodes}});
                 return {};
               };
             }});
}

}  // namespace mmapdirfs
