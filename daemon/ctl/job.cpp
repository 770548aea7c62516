// SPDX-License-Identifier: MIT
#include "ctl/job.h"

#include "ctl/fields.h"
#include "ctl/progress_line.h"
#include "ctl/stop_signals.h"

namespace mmapdirfs::ctl {

Outcome<Job> run_job(const Invocation& invocation, Context& context, const CommandText& command) {
  const StopSignals signals;
  ProgressLine line(context.messages, context.message_terminal);
  Job job;
  const auto show = [&](const Json& figures) {
    job.progress = figures;
    if (invocation.json) {
      Json event = figures;
      event["event"] = "progress";
      context.out << to_line(event) << std::flush;
    } else {
      line.show(figures);
    }
  };
  const auto ending =
      run_command(*context.channel, command,
                  {.result = [&](const Json& result) { job.result = result; }, .progress = show});
  if (!ending) {
    return std::unexpected(ending.error());
  }
  job.ending = *ending;
  return job;
}

}  // namespace mmapdirfs::ctl
