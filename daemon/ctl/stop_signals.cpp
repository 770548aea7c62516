// SPDX-License-Identifier: MIT
#include "ctl/stop_signals.h"

#include <unistd.h>

#include <cstddef>

namespace mmapdirfs::ctl {
namespace {

// A signal handler reaches nothing else.
volatile std::sig_atomic_t caught_signal = 0;

void handle_stop(int number) {
  caught_signal = number;
  ::alarm(1);
}

void handle_alarm(int /*number*/) { ::alarm(1); }

}  // namespace

StopSignals::StopSignals() {
  caught_signal = 0;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    const int number = kSignals.at(i);
    struct sigaction action{};
    // No SA_RESTART: waiting calls are to return.
    action.sa_handler = number == SIGALRM ? handle_alarm : handle_stop;
    ::sigaction(number, &action, &before_.at(i));
  }
}

StopSignals::~StopSignals() {
  ::alarm(0);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals.at(i), &before_.at(i), nullptr);
  }
  caught_signal = 0;
}

int StopSignals::caught() { return caught_signal; }

}  // namespace mmapdirfs::ctl
