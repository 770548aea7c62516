// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// All verbs, in the order in which help names them.
const std::vector<Verb>& verbs();

Outcome<int> run_status(const Invocation& invocation, Context& context);
Outcome<int> run_top(const Invocation& invocation, Context& context);
Outcome<int> run_files(const Invocation& invocation, Context& context);
Outcome<int> run_map(const Invocation& invocation, Context& context);
Outcome<int> run_warm(const Invocation& invocation, Context& context);
Outcome<int> run_pin(const Invocation& invocation, Context& context);
Outcome<int> run_unpin(const Invocation& invocation, Context& context);
Outcome<int> run_pins(const Invocation& invocation, Context& context);
Outcome<int> run_hot_save(const Invocation& invocation, Context& context);
Outcome<int> run_hot_load(const Invocation& invocation, Context& context);
Outcome<int> run_clear_cache(const Invocation& invocation, Context& context);
Outcome<int> run_log_level(const Invocation& invocation, Context& context);
Outcome<int> run_doctor(const Invocation& invocation, Context& context);
Outcome<int> run_version(const Invocation& invocation, Context& context);
Outcome<int> run_config(const Invocation& invocation, Context& context);
Outcome<int> run_metrics(const Invocation& invocation, Context& context);

}  // namespace mmapdirfs::ctl
