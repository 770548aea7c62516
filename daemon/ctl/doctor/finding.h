// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mmapdirfs::ctl {

// What doctor says of one thing that a mount needs.
enum class Verdict {
  kOk,
  kWarn,  // it works, but something is slower or missing
  kFail,  // it can't be mounted like this
};

struct Finding {
  std::string_view check;
  Verdict verdict;
  std::string found;
  std::string advice{};  // what to do; empty where nothing needs doing
};

// The machine that is examined: this one, or one that a test has made up. A value type.
struct Machine {
  // Beneath which /proc, /sys, /etc, /dev and /usr are looked for.
  std::filesystem::path root = "/";
  uid_t user = 0;
  std::string libfuse_version{};
  // Whether the kernel has the system call cachestat(2).
  std::function<bool()> has_cachestat;
};

Machine this_machine(const std::string& libfuse_version);

using Check = std::function<Finding(const Machine&)>;

// All checks that need no directories, in the order in which they are told.
const std::vector<Check>& machine_checks();

}  // namespace mmapdirfs::ctl
