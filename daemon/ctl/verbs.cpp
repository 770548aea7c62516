// SPDX-License-Identifier: MIT
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {

const std::vector<Verb>& verbs() {
  using enum MountUse;
  static const std::vector<Verb> table = {
      {.name = "status",
       .arguments = "MOUNTPOINT",
       .summary = "how the mount is read, what it holds and how fast it answers",
       .mount = kNeeded,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_status},
      {.name = "files",
       .arguments = "MOUNTPOINT",
       .summary = "the files that are open or mapped, those in passthrough included",
       .mount = kNeeded,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_files},
      {.name = "clear-cache",
       .arguments = "MOUNTPOINT",
       .summary = "forget mappings, and the kernel's names and pages of the mount",
       .mount = kNeeded,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_clear_cache},
      {.name = "config",
       .arguments = "MOUNTPOINT",
       .summary = "the daemon's options in force",
       .mount = kNeeded,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_config},
      {.name = "metrics",
       .arguments = "MOUNTPOINT",
       .summary = "all counters, as Prometheus reads them",
       .mount = kNeeded,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_metrics},
      {.name = "log-level",
       .arguments = "MOUNTPOINT LEVEL",
       .summary = "what the daemon logs from now on: error, warn, info or debug",
       .mount = kNeeded,
       .least_words = 1,
       .most_words = 1,
       .options = {},
       .run = run_log_level},
      {.name = "version",
       .arguments = "[MOUNTPOINT]",
       .summary = "this program's version, and that of the daemon that serves the mount",
       .mount = kOptional,
       .least_words = 0,
       .most_words = 0,
       .options = {},
       .run = run_version},
  };
  return table;
}

}  // namespace mmapdirfs::ctl
