// SPDX-License-Identifier: MIT
#include "ctl/doctor/directory_checks.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "ctl/command.h"
#include "ctl/fields.h"
#include "ctl/printable.h"
#include "preflight.h"
#include "watch/local_file_system.h"

namespace mmapdirfs::ctl {
namespace {

std::vector<Finding> examine(const Json& status) {
  std::vector<Finding> findings;
  const auto path = printable(text_of(status, "read_path"));
  const auto reason = printable(text_of(status, "read_path_reason"));
  findings.push_back({.check = "mount",
                      .verdict = Verdict::kOk,
                      .found = fmt::format("answers; {} is mounted there, read path {}",
                                           printable(text_of(status, "source")), path)});
  if (path != "passthrough" && !reason.empty()) {
    findings.push_back(
        {.check = "read path", .verdict = Verdict::kWarn, .found = path, .advice = reason});
  }
  const auto watch = part_of(status, "watch");
  const auto unwatched = printable(text_of(watch, "reason"));
  if (!truth_of(watch, "active") && !unwatched.empty()) {
    findings.push_back({.check = "watch",
                        .verdict = Verdict::kWarn,
                        .found = "the source isn't watched",
                        .advice = unwatched});
  }
  return findings;
}

}  // namespace

Finding check_directories(const std::string& source, const std::string& mountpoint) {
  Options options;
  options.source = source;
  options.mountpoint = mountpoint;
  const auto plan = check_mount(options);
  if (!plan) {
    return {.check = "directories",
            .verdict = Verdict::kFail,
            .found = "can't be mounted like this",
            .advice = printable(plan.error().message)};
  }
  return {.check = "directories",
          .verdict = Verdict::kOk,
          .found = fmt::format("{} {} {}", printable(plan->source),
                               plan->is_mounted ? "is mounted on" : "can be mounted on",
                               printable(plan->mountpoint))};
}

Finding check_source(const std::string& source) {
  const mmapdir::UniqueFd directory(::open(source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    return {
        .check = "source",
        .verdict = Verdict::kFail,
        .found = fmt::format("{}: {}", printable(source), std::generic_category().message(errno)),
        .advice = "name a directory that this user may enter"};
  }
  if (!is_local_file_system(directory.get())) {
    return {.check = "source",
            .verdict = Verdict::kWarn,
            .found = "is on a network, stacked or unknown file system",
            .advice =
                "changes made there by others aren't reported: names and attributes are kept "
                "for a second, pages to the next open; --cache=never keeps nothing"};
  }
  return {.check = "source", .verdict = Verdict::kOk, .found = "is on a local file system"};
}

std::vector<Finding> check_mounted(const std::string& mountpoint, const Invocation& invocation,
                                   const OpenMount& open_mount) {
  Invocation of_mount = invocation;
  of_mount.mountpoint = mountpoint;
  const auto channel = open_mount(of_mount);
  const auto failed = [](const Failure& failure) {
    return std::vector<Finding>{{.check = "mount",
                                 .verdict = Verdict::kFail,
                                 .found = "can't be asked",
                                 .advice = failure.message}};
  };
  if (!channel) {
    return failed(channel.error());
  }
  const auto status = read_object(**channel, "status");
  if (!status) {
    return failed(status.error());
  }
  auto findings = examine(*status);
  findings.push_back(check_source(text_of(*status, "source")));
  return findings;
}

}  // namespace mmapdirfs::ctl
