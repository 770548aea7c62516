// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/unique_fd.h"

namespace mmapdir::test {

using Seconds = std::chrono::seconds;

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

// `nobody`: an ordinary user whom every system knows. fusermount3 turns away a uid that has no
// name.
User ordinary_user();

// For ProcessSetup::before: no more than `count` descriptors, and no right to raise that.
void limit_descriptors(unsigned count);

struct ProcessSetup {
  // Who runs it; the caller, if nobody is named.
  std::optional<User> user{};
  // Runs in the child before it gives up the caller's privileges: limits, namespaces.
  std::function<void()> before{};
  // The whole environment, if it isn't the caller's.
  std::optional<std::vector<std::string>> environment{};
  // Where the output goes; to the caller's own, if they aren't set.
  int standard_output = -1;
  int standard_error = -1;
  // Ended by SIGTERM if the thread that started it dies, so that a test that was killed leaves no
  // daemon behind.
  bool end_with_caller = true;
};

// A child process. A resource type: the child is killed and waited for, should it still be there.
//
// Statuses are as the shell has them: what the process exited with, or 128 and its signal.
class Process {
 public:
  // Runs a function in a forked child, which exits with what it returns. An exception ends the
  // child with status 125 and its message on standard error.
  static Process call(const std::function<int()>& body, const ProcessSetup& setup = {});

  // Runs a program: a path with a slash, or a name to be found in the caller's PATH. The file is
  // opened by the caller, so a user may run what lies where only the caller can reach.
  static Process program(const std::vector<std::string>& command, const ProcessSetup& setup = {});

  // Takes charge of a child that is already there.
  explicit Process(pid_t pid);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  bool running();
  void signal(int number) const;

  // The status, or nothing if the process goes on when the time is over.
  std::optional<int> wait(std::chrono::milliseconds limit = Seconds(60));

 private:
  pid_t pid_;
  UniqueFd pidfd_;
  std::optional<int> status_;
};

struct Outcome {
  int status = 0;
  std::string output{};
  std::string error{};
};

// Runs to the end and collects the output. One that takes longer than the limit is killed, and the
// outcome's status is then 128 + SIGKILL.
Outcome run(const std::vector<std::string>& command, ProcessSetup setup = {},
            std::chrono::milliseconds limit = Seconds(60));
Outcome run_function(const std::function<int()>& body, ProcessSetup setup = {},
                     std::chrono::milliseconds limit = Seconds(60));

// What a function answers when another user calls it: 0 for success, else the errno.
int errno_as(const User& user, const std::function<int()>& body);

// The processes whose parent this one is, born or adopted.
std::vector<pid_t> children();

}  // namespace mmapdir::test
