// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <csignal>

namespace mmapdirfs::ctl {

// While an object lives, the signals that ask a program to end (Ctrl-C, SIGTERM, SIGHUP) are
// remembered rather than obeyed, so that a job is cancelled or a screen restored first. A system
// call that waits is interrupted, and interrupted again each second until the object goes, so that
// none that began just after the signal waits for ever. A resource type; one at a time.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  // The signal that has come, or 0. For any code that waits: false where nobody catches signals.
  static int caught();

 private:
  // SIGALRM is the one that interrupts again.
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};

  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace mmapdirfs::ctl
