// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/control_channel.h"
#include "ctl/doctor/finding.h"
#include "ctl/failure.h"
#include "ctl/terminal.h"

namespace mmapdirfs::ctl {

// What the user asked for: a verb's words and options, checked as to their number and names.
struct Invocation {
  std::string mountpoint;          // empty if none was given
  std::string control_directory;   // --control
  std::vector<std::string> words;  // behind the mount point
  std::map<std::string, std::string, std::less<>> options;
  bool json = false;

  bool has(std::string_view option) const { return options.contains(option); }
  std::optional<std::string> option(std::string_view name) const;
};

// How to reach a mount's daemon; what the mount isn't is told as a failure.
using OpenMount =
    std::function<Outcome<std::unique_ptr<ControlChannel>>(const Invocation& invocation)>;

// What a verb works with. Everything outlives it.
struct Context {
  ControlChannel* channel;  // null for a verb that takes no mount, or was given none
  OpenMount open_mount;
  std::ostream& out;
  std::ostream& messages;  // progress, and what isn't the answer
  Terminal out_terminal;
  Terminal message_terminal;
  Machine machine;
};

// One option of a verb: "--name=VALUE", or "--name" if it takes none.
struct VerbOption {
  std::string_view name;
  std::string_view value;
  std::string_view help;
};

enum class MountUse { kNeeded, kOptional, kNone };

// A row of the table of verbs.
struct Verb {
  std::string_view name;       // "hot save" has two words
  std::string_view arguments;  // "MOUNTPOINT PATTERN...", for people
  std::string_view summary;
  MountUse mount;
  std::size_t least_words;  // behind the mount point
  std::size_t most_words;
  std::vector<VerbOption> options;
  // Returns the exit status.
  Outcome<int> (*run)(const Invocation& invocation, Context& context);
};

}  // namespace mmapdirfs::ctl
