// SPDX-License-Identifier: MIT
#include "ctl/run.h"

#include <fmt/format.h>

#include <variant>

#include "ctl/command_line.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

Outcome<int> run_verb(const VerbRequest& request, Context& context) {
  std::unique_ptr<ControlChannel> channel;
  if (request.verb->mount != MountUse::kNone && !request.invocation.mountpoint.empty()) {
    auto opened = context.open_mount(request.invocation);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    channel = std::move(*opened);
  }
  context.channel = channel.get();
  auto status = request.verb->run(request.invocation, context);
  context.channel = nullptr;
  return status;
}

Outcome<int> parse_and_run(const std::vector<std::string>& arguments, Context& context) {
  const auto parsed = parse_command_line(arguments, verbs());
  if (!parsed) {
    return std::unexpected(parsed.error());
  }
  if (const auto* const text = std::get_if<std::string>(&*parsed)) {
    context.out << *text;
    return 0;
  }
  return run_verb(std::get<VerbRequest>(*parsed), context);
}

}  // namespace

int run(const std::vector<std::string>& arguments, Context& context) {
  const auto status = parse_and_run(arguments, context);
  context.out.flush();
  if (!status) {
    context.messages << fmt::format("mmapdirctl: {}\n", status.error().message);
    if (status.error().status == kUsageStatus) {
      context.messages << "Try 'mmapdirctl --help'.\n";
    }
    return status.error().status;
  }
  if (!context.out) {
    context.messages << "mmapdirctl: the output can't be written\n";
    return kFailureStatus;
  }
  return *status;
}

}  // namespace mmapdirfs::ctl
