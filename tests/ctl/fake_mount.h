// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/control_channel.h"
#include "ctl/verb.h"

namespace mmapdirfs::ctl::test {

// A mount that answers as it was told to, and remembers what it was asked.
struct FakeMount {
  std::map<std::string, std::string, std::less<>> files{};  // "status", ...
  // By the command's first word: the lines of the answer. Others fail.
  std::map<std::string, std::vector<std::string>, std::less<>> answers{};
  // The verb whose answer is broken off as if Ctrl-C had been pressed behind its last line.
  std::string interrupted{};
  std::vector<std::string> asked{};  // whole command lines
};

// What became of one run of mmapdirctl on a fake mount.
struct Ran {
  int status = 0;
  std::string output{};
  std::string messages{};
};

// Runs the program as main does, but without a mount.
Ran run_on(FakeMount& mount, const std::vector<std::string>& arguments,
           const Terminal& terminal = {}, const Machine& machine = {});

// A terminal with colours and Unicode.
Terminal fine_terminal(unsigned columns = 80);

}  // namespace mmapdirfs::ctl::test
