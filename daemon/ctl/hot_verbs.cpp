// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <filesystem>

#include "ctl/fields.h"
#include "ctl/job.h"
#include "ctl/printable.h"
#include "ctl/sizes.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

// The daemon works in another directory.
std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

std::string amount_of(const Json& result) {
  return fmt::format("{} of {}", format_size(number_of(result, "bytes")),
                     counted(number_of(result, "files"), "file"));
}

void tell_loaded(const Json& result, Context& context) {
  const auto skipped = part_of(result, "skipped");
  for (const auto& file : skipped) {
    context.messages << fmt::format("skipped '{}': {}\n", printable(text_of(file, "path")),
                                    printable(text_of(file, "reason")));
  }
  context.out << fmt::format("loaded {}, skipped {}\n", amount_of(result),
                             counted(number_of(result, "skipped_files"), "file"));
}

}  // namespace

Outcome<int> run_hot_save(const Invocation& invocation, Context& context) {
  const auto file = absolute(invocation.words[0]);
  const auto result = ask(*context.channel, CommandText("hot-save").word(file));
  if (!result) {
    return std::unexpected(result.error());
  }
  context.out << (invocation.json ? to_line(*result)
                                  : fmt::format("saved {} as hot in {}\n", amount_of(*result),
                                                printable(file)));
  return 0;
}

Outcome<int> run_hot_load(const Invocation& invocation, Context& context) {
  const auto command = CommandText("hot-load").word(absolute(invocation.words[0]));
  const auto job = run_job(invocation, context, command);
  if (!job) {
    return std::unexpected(job.error());
  }
  if (job->ending == Ending::kInterrupted) {
    const auto done = format_size(number_of(job->progress, "bytes"));
    const auto all = format_size(number_of(job->progress, "total"));
    return fail(fmt::format("cancelled after {} of {}", done, all));
  }
  if (invocation.json) {
    context.out << to_line(job->result);
  } else {
    tell_loaded(job->result, context);
  }
  return 0;
}

}  // namespace mmapdirfs::ctl
