// SPDX-License-Identifier: MIT
#include "support/strace.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "support/files.h"

namespace mmapdir::test {
namespace {

Process start(pid_t traced, const std::filesystem::path& output,
              const std::vector<std::string>& options) {
  std::vector<std::string> command{"strace", "-qq", "-f", "-y", "-x", "-s", "48"};
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), {"-o", output, "-p", std::to_string(traced)});
  return Process::program(command);
}

bool is_traced_by(const std::filesystem::path& task, pid_t tracer) {
  const std::string wanted = fmt::format("TracerPid:\t{}", tracer);
  std::ifstream status(task / "status");
  for (std::string line; std::getline(status, line);) {
    if (line == wanted) {
      return true;
    }
  }
  return false;
}

bool all_threads_are_traced(pid_t traced, pid_t tracer) {
  const std::filesystem::path tasks = fmt::format("/proc/{}/task", traced);
  return std::ranges::all_of(std::filesystem::directory_iterator(tasks),
                             [&](const auto& task) { return is_traced_by(task.path(), tracer); });
}

// A call during which another thread's ended takes two lines: "name(begin <unfinished ...>" and
// "<... name resumed>end) = result".
std::vector<TracedCall> parse(const std::filesystem::path& output) {
  constexpr std::string_view kUnfinished = "<unfinished ...>";
  constexpr std::string_view kResumed = " resumed>";
  std::vector<TracedCall> calls;
  std::map<pid_t, std::string> begun;
  std::ifstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    pid_t thread = 0;
    std::string call;
    fields >> thread >> std::ws;
    std::getline(fields, call);
    if (call.ends_with(kUnfinished)) {
      begun[thread] = call.substr(0, call.size() - kUnfinished.size());
      continue;
    }
    if (call.starts_with("<... ")) {
      call = begun[thread] + call.substr(call.find(kResumed) + kResumed.size());
    }
    const auto parenthesis = call.find('(');
    const auto equals = call.rfind(" = ");
    if (parenthesis != std::string::npos && equals != std::string::npos) {
      calls.push_back({.thread = thread,
                       .name = call.substr(0, parenthesis),
                       .arguments = call.substr(parenthesis + 1, equals - parenthesis - 1),
                       .result = call.substr(equals + 3)});
    }
  }
  return calls;
}

}  // namespace

Strace::Strace(const Process& traced, const std::vector<std::string>& options)
    : output_(directory_ / "trace"), strace_(start(traced.pid(), output_, options)) {
  const bool attached = eventually(
      [&] { return !strace_.running() || all_threads_are_traced(traced.pid(), strace_.pid()); });
  if (!attached || !strace_.running()) {
    throw std::runtime_error("strace can't attach to the daemon");
  }
}

std::vector<TracedCall> Strace::stop() {
  strace_.signal(SIGINT);
  if (!strace_.wait()) {
    throw std::runtime_error("strace doesn't let go of the daemon");
  }
  return parse(output_);
}

}  // namespace mmapdir::test
