// SPDX-License-Identifier: MIT
// The verbs that ask one thing and tell the answer in a line or as it comes.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/printable.h"
#include "ctl/sizes.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::array<std::string_view, 4> kLogLevels = {"error", "warn", "info", "debug"};

std::string to_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Outcome<int> run_clear_cache(const Invocation& invocation, Context& context) {
  const auto answer = ask(*context.channel, CommandText("clear-cache"));
  if (!answer) {
    return std::unexpected(answer.error());
  }
  if (invocation.json) {
    context.out << to_line(*answer);
    return 0;
  }
  context.out << fmt::format("forgot {} of {} and what the kernel kept of {}\n",
                             counted(number_of(*answer, "mappings"), "mapping"),
                             format_size(number_of(*answer, "mapped_bytes")),
                             counted(number_of(*answer, "inodes"), "inode"));
  return 0;
}

Outcome<int> run_log_level(const Invocation& invocation, Context& context) {
  const auto& level = invocation.words[0];
  if (std::ranges::find(kLogLevels, level) == kLogLevels.end()) {
    return fail(fmt::format("log-level: no such level: '{}'; allowed are {}", printable(level),
                            fmt::join(kLogLevels, ", ")),
                kUsageStatus);
  }
  const auto answer = ask(*context.channel, CommandText("log-level").word(level));
  if (!answer) {
    return std::unexpected(answer.error());
  }
  context.out << (invocation.json ? to_line(*answer)
                                  : fmt::format("log level {}, before {}\n",
                                                printable(text_of(*answer, "level")),
                                                printable(text_of(*answer, "before"))));
  return 0;
}

Outcome<int> run_version(const Invocation& invocation, Context& context) {
  Json versions = {{"mmapdirctl", MMAPDIR_VERSION}};
  if (context.channel != nullptr) {
    auto daemon = ask(*context.channel, CommandText("version"));
    if (!daemon) {
      return std::unexpected(daemon.error());
    }
    versions["daemon"] = std::move(*daemon);
  }
  if (invocation.json) {
    context.out << to_line(versions);
    return 0;
  }
  context.out << fmt::format("mmapdirctl {}\n", MMAPDIR_VERSION);
  if (context.channel != nullptr) {
    context.out << fmt::format(
        "mmapdirfs {} (libfuse {}) serves {}\n", printable(text_of(versions["daemon"], "version")),
        printable(text_of(versions["daemon"], "libfuse")), printable(invocation.mountpoint));
  }
  return 0;
}

Outcome<int> run_config(const Invocation& invocation, Context& context) {
  const auto config = read_object(*context.channel, "config");
  if (!config) {
    return std::unexpected(config.error());
  }
  if (invocation.json) {
    context.out << to_line(*config);
    return 0;
  }
  for (const auto& [name, value] : config->items()) {
    const auto text = value.is_null() ? "(default)" : to_text(value);
    context.out << fmt::format("{} = {}\n", printable(name), printable(text));
  }
  return 0;
}

Outcome<int> run_metrics(const Invocation& invocation, Context& context) {
  const auto text = context.channel->read_file("metrics");
  if (!text) {
    return std::unexpected(text.error());
  }
  context.out << (invocation.json ? to_line({{"metrics", *text}}) : *text);
  return 0;
}

}  // namespace mmapdirfs::ctl
