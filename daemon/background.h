// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>

#include "fs/types.h"

namespace mmapdirfs {

// Going behind. The first process stays with the shell until the second is ready or gives up; the
// second has a session of its own.
//
// A resource type. Make it before any thread and any file that the second process should have.
class Background {
 public:
  enum class Role { kWaiting, kServing };

  // Forks. The first process has the role kWaiting, the second kServing.
  static Result<Background> start();

  Role role() const { return role_; }

  // For the first process: waits for the other's word. Answers 0 once it is ready, else the exit
  // status to end with; the message has been printed by then.
  int wait();

  // For the second process: tells the first, and lets go of the terminal. Errors are logged.
  void announce_ready();

 private:
  Background(Role role, UniqueFd pipe, pid_t child)
      : role_(role), pipe_(std::move(pipe)), child_(child) {}

  Role role_;
  UniqueFd pipe_;
  pid_t child_;  // of the first process
};

}  // namespace mmapdirfs
