// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "ctl/fields.h"
#include "ctl/job.h"
#include "ctl/printable.h"
#include "ctl/size_options.h"
#include "ctl/sizes.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kStops = {{
    {"limit", "; stopped at --limit"},
    {"memory", "; stopped, as more would take memory that others need"},
    {"cancel", "; cancelled"},
}};

std::string_view stop_of(const Json& result) {
  const auto reason = text_of(result, "stopped_by");
  for (const auto& [name, text] : kStops) {
    if (name == reason) {
      return text;
    }
  }
  return "";
}

std::string size_of(const Json& object, const char* name) {
  return format_size(number_of(object, name));
}

int tell_result(const Json& result, const Invocation& invocation, Context& context) {
  const auto failures = part_of(result, "failures");
  if (invocation.json) {
    context.out << to_line(result);
  } else {
    for (const auto& failure : failures) {
      context.messages << fmt::format("mmapdirctl: '{}': {}\n", printable(text_of(failure, "path")),
                                      printable(text_of(failure, "message")));
    }
    context.out << fmt::format("asked for {} in {}, read {}; {} resident now, {} dropped again{}\n",
                               size_of(result, "asked_bytes"),
                               counted(number_of(result, "files"), "file"),
                               size_of(result, "read_bytes"), size_of(result, "resident_bytes"),
                               size_of(result, "dropped_bytes"), stop_of(result));
  }
  return failures.empty() ? 0 : kFailureStatus;
}

// The daemon's own figures went with the handle; what became of the files can still be asked.
Outcome<int> tell_cancelled(const Job& job, const Invocation& invocation, Context& context) {
  std::uint64_t resident = 0;
  const auto asked = run_command(
      *context.channel, CommandText("map").option("cells", "1").words(invocation.words),
      {.result = [&](const Json& file) { resident += number_of(file, "resident_bytes"); }});
  if (!asked) {
    return std::unexpected(asked.error());
  }
  if (invocation.json) {
    context.out << to_line({{"stopped_by", "cancel"},
                            {"read_bytes", number_of(job.progress, "bytes")},
                            {"asked_bytes", number_of(job.progress, "total")},
                            {"resident_bytes", resident}});
  } else {
    context.out << fmt::format("cancelled after {} of {}; {} resident now\n",
                               size_of(job.progress, "bytes"), size_of(job.progress, "total"),
                               format_size(resident));
  }
  return kFailureStatus;
}

}  // namespace

Outcome<int> run_warm(const Invocation& invocation, Context& context) {
  CommandText command("warm");
  for (const auto& added : {add_rate_option(invocation, "rate", command),
                            add_memory_option(invocation, "limit", command),
                            add_percent_option(invocation, "share", command)}) {
    if (!added) {
      return std::unexpected(added.error());
    }
  }
  command.words(invocation.words);
  const auto job = run_job(invocation, context, command);
  if (!job) {
    return std::unexpected(job.error());
  }
  return job->ending == Ending::kInterrupted ? tell_cancelled(*job, invocation, context)
                                             : tell_result(job->result, invocation, context);
}

}  // namespace mmapdirfs::ctl
