// SPDX-License-Identifier: MIT
#pragma once

#include "ctl/command.h"
#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// How a job that takes its time ended. Of one that was interrupted there are its last figures only.
struct Job {
  Ending ending = Ending::kAnswered;
  Json result = Json::object();
  Json progress = Json::object();
};

// Has the daemon do a job, showing how far it is: a line on a terminal, lines of JSON if asked for.
// Ctrl-C cancels the job.
Outcome<Job> run_job(const Invocation& invocation, Context& context, const CommandText& command);

}  // namespace mmapdirfs::ctl
