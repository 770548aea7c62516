// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <linux/capability.h>

#include "ctl/doctor/machine_checks.h"
#include "ctl/doctor/machine_files.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

constexpr Version kUnprivilegedFanotify{.major = 5, .minor = 17};
// A small index; who pins wants more than Debian's 8 MiB.
constexpr std::uint64_t kLittleLockedMemory = 64ULL << 20U;
// Each open file is a descriptor on the source too.
constexpr std::uint64_t kFewDescriptors = 4096;
// The kernel's own default.
constexpr std::uint64_t kFewMappings = 65530;
// The kernel's own least default.
constexpr std::uint64_t kFewWatches = 8192;

}  // namespace

Finding check_locked_memory(const Machine& machine) {
  const auto limit = hard_limit(machine, "Max locked memory");
  if (has_capability(machine, CAP_IPC_LOCK) || !limit) {
    return {.check = "RLIMIT_MEMLOCK",
            .verdict = Verdict::kOk,
            .found = limit ? "this user may pin beyond any limit" : "unlimited"};
  }
  if (*limit < kLittleLockedMemory) {
    return {.check = "RLIMIT_MEMLOCK",
            .verdict = Verdict::kWarn,
            .found = fmt::format("{} can be pinned", format_size(*limit)),
            .advice =
                "raise it where mmapdirfs starts: LimitMEMLOCK= of its unit, or memlock in "
                "/etc/security/limits.conf"};
  }
  return {.check = "RLIMIT_MEMLOCK",
          .verdict = Verdict::kOk,
          .found = fmt::format("{} can be pinned", format_size(*limit))};
}

Finding check_descriptors(const Machine& machine) {
  // The daemon raises its limit as far as it may.
  const auto limit = has_capability(machine, CAP_SYS_RESOURCE)
                         ? read_number(machine, "/proc/sys/fs/nr_open")
                         : hard_limit(machine, "Max open files");
  const auto found =
      limit ? fmt::format("{} open files", format_count(*limit)) : std::string("unlimited");
  if (limit && *limit < kFewDescriptors) {
    return {
        .check = "RLIMIT_NOFILE",
        .verdict = Verdict::kWarn,
        .found = found,
        .advice =
            "programs that open many files will be told ENFILE; raise it where mmapdirfs "
            "starts: LimitNOFILE= of its unit, nofile in /etc/security/limits.conf, or for root "
            "the sysctl fs.nr_open"};
  }
  return {.check = "RLIMIT_NOFILE", .verdict = Verdict::kOk, .found = found};
}

Finding check_mappings(const Machine& machine) {
  const auto limit = read_number(machine, "/proc/sys/vm/max_map_count");
  if (!limit) {
    return {.check = "vm.max_map_count", .verdict = Verdict::kOk, .found = "unknown"};
  }
  const auto found = fmt::format("{}; half of it for mapped files", format_count(*limit));
  if (*limit < kFewMappings) {
    return {.check = "vm.max_map_count",
            .verdict = Verdict::kWarn,
            .found = found,
            .advice =
                "files beyond that are read without a mapping; sysctl "
                "vm.max_map_count=65530 or more"};
  }
  return {.check = "vm.max_map_count", .verdict = Verdict::kOk, .found = found};
}

Finding check_watches(const Machine& machine) {
  const auto marks = read_number(machine, "/proc/sys/fs/fanotify/max_user_marks");
  const auto warn = [](std::string found, std::string advice) {
    return Finding{.check = "fanotify",
                   .verdict = Verdict::kWarn,
                   .found = std::move(found),
                   .advice = std::move(advice)};
  };
  if (!marks || kernel_version(machine) < kUnprivilegedFanotify) {
    return warn("can't watch the source in this kernel",
                "needs Linux 5.17; names and attributes are kept for a second only");
  }
  const auto found = fmt::format(
      "{} directories can be watched, {} changes can wait", format_count(*marks),
      format_count(read_number(machine, "/proc/sys/fs/fanotify/max_queued_events").value_or(0)));
  if (*marks < kFewWatches) {
    return warn(found,
                "names in further directories are kept for a second only; sysctl "
                "fs.fanotify.max_user_marks=65536 or more");
  }
  return {.check = "fanotify", .verdict = Verdict::kOk, .found = found};
}

const std::vector<Check>& machine_checks() {
  static const std::vector<Check> checks = {check_kernel,      check_device,    check_fusermount,
                                            check_allow_other, check_libfuse,   check_passthrough,
                                            check_io_uring,    check_cachestat, check_locked_memory,
                                            check_descriptors, check_mappings,  check_watches};
  return checks;
}

}  // namespace mmapdirfs::ctl
