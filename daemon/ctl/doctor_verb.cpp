// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "ctl/doctor/directory_checks.h"
#include "ctl/doctor/finding.h"
#include "ctl/fields.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl {
namespace {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
  }
  return "";
}

std::string_view colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "\x1b[32m";
    case Verdict::kWarn:
      return "\x1b[33m";
    case Verdict::kFail:
      return "\x1b[31m";
  }
  return "";
}

std::string line_of(const Finding& finding, const Terminal& terminal) {
  auto verdict = fmt::format("{:<4}", name_of(finding.verdict));
  if (terminal.has_colour) {
    verdict = fmt::format("{}{}\x1b[0m", colour_of(finding.verdict), verdict);
  }
  auto line = fmt::format("{}  {:<17} {}\n", verdict, finding.check, finding.found);
  if (!finding.advice.empty()) {
    line += fmt::format("{:25}-> {}\n", "", finding.advice);
  }
  return line;
}

std::string json_of(const Finding& finding) {
  return to_line({{"check", finding.check},
                  {"verdict", name_of(finding.verdict)},
                  {"found", finding.found},
                  {"advice", finding.advice}});
}

std::vector<Finding> examine(const Invocation& invocation, const Context& context) {
  std::vector<Finding> findings;
  for (const auto& check : machine_checks()) {
    findings.push_back(check(context.machine));
  }
  const auto& words = invocation.words;
  if (words.size() == 1) {
    const auto of_mount = check_mounted(words[0], invocation, context.open_mount);
    findings.insert(findings.end(), of_mount.begin(), of_mount.end());
  } else if (words.size() == 2) {
    findings.push_back(check_source(words[0]));
    findings.push_back(check_directories(words[0], words[1]));
  }
  return findings;
}

}  // namespace

Outcome<int> run_doctor(const Invocation& invocation, Context& context) {
  const auto findings = examine(invocation, context);
  for (const auto& finding : findings) {
    context.out << (invocation.json ? json_of(finding) : line_of(finding, context.out_terminal));
  }
  const bool failed =
      std::ranges::find(findings, Verdict::kFail, &Finding::verdict) != findings.end();
  return failed ? kFailureStatus : 0;
}

}  // namespace mmapdirfs::ctl
