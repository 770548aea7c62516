// SPDX-License-Identifier: MIT
#include "ctl/stop_signals.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace mmapdirfs::ctl {
namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

// A signal handler reaches nothing else.
volatile std::sig_atomic_t caught_signal = 0;

void handle_stop(int number) {
  caught_signal = number;
  ::alarm(1);
}

void handle_alarm(int /*number*/) { ::alarm(1); }

void install(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;  // no SA_RESTART: waiting calls are to return
  ::sigaction(number, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  caught_signal = 0;
  install(SIGALRM, handle_alarm);
  std::ranges::for_each(kStopSignals, [](int number) { install(number, handle_stop); });
}

StopSignals::~StopSignals() {
  std::ranges::for_each(kStopSignals, [](int number) { install(number, SIG_DFL); });
  ::alarm(0);
  install(SIGALRM, SIG_DFL);
  caught_signal = 0;
}

int StopSignals::caught() { return caught_signal; }

}  // namespace mmapdirfs::ctl
