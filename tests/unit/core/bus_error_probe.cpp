// SPDX-License-Identifier: MIT
//
// A process that sets a disposition for SIGBUS, lets guarded_copy() install itself on top, and then
// gets a SIGBUS that isn't guarded_copy()'s. The scenario is its only argument.
#include "bus_error_probe.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string_view>

#include "mmapdir/guarded_copy.h"

namespace {

using mmapdir::guarded_copy;
using mmapdir::test::kProbeAsExpected;

constexpr std::size_t kSize = 4096;

// A page of a file that has none.
std::span<std::byte> truncated_page() {
  static void* const address = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                                      ::memfd_create("truncated", MFD_CLOEXEC), 0);
  return {static_cast<std::byte*>(address), kSize};
}

void install_guard() {
  const std::array<std::byte, 1> from{};
  std::array<std::byte, 1> to{};
  if (!guarded_copy(to, from)) {
    ::_exit(1);
  }
}

void touch() {
  const volatile std::byte* const byte = truncated_page().data();
  static_cast<void>(*byte);
}

void send() { ::raise(SIGBUS); }

void set_disposition(void (*handler)(int), int flags = 0) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ::sigaction(SIGBUS, &action, nullptr);
}

void set_disposition(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  sigaddset(&action.sa_mask, SIGUSR1);
  ::sigaction(SIGBUS, &action, nullptr);
}

void exit_as_expected(int /*signal*/) { ::_exit(kProbeAsExpected); }

void exit_if_told_the_address(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const auto page = truncated_page();  // at which of its bytes memcpy begins is memcpy's affair
  const auto* const address = static_cast<const std::byte*>(info->si_addr);
  const bool right =
      info->si_signo == SIGBUS && address >= page.data() && address < page.data() + page.size();
  ::_exit(right ? kProbeAsExpected : 1);
}

void exit_if_masked(int /*signal*/, siginfo_t* /*info*/, void* /*context*/) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  const bool right = sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGBUS) == 1;
  ::_exit(right ? kProbeAsExpected : 1);
}

void return_at_once(int /*signal*/) {}

template <class... Disposition>
std::function<void()> with(void (*trouble)(), Disposition... disposition) {
  return [=] {
    set_disposition(disposition...);
    install_guard();
    trouble();
  };
}

void copy_into_truncated_page() {
  const std::array<std::byte, kSize> from{};
  if (guarded_copy(truncated_page(), from)) {
    ::_exit(1);
  }
}

void send_twice() {
  send();
  send();
}

void send_and_exit() {
  send();
  ::_exit(kProbeAsExpected);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr rlimit kNoCoreFiles{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &kNoCoreFiles);

  const std::map<std::string_view, std::function<void()>> scenarios{
      {"fault-to-siginfo-handler", with(touch, exit_if_told_the_address)},
      {"fault-to-plain-handler", with(touch, exit_as_expected)},
      {"fault-in-destination", with(copy_into_truncated_page, exit_if_told_the_address)},
      {"sent-to-handler", with(send, exit_as_expected)},
      {"mask-of-handler", with(send, exit_if_masked)},
      {"fault-to-default", with(touch, SIG_DFL)},
      {"fault-to-ignore", with(touch, SIG_IGN)},
      {"sent-to-default", with(send, SIG_DFL)},
      {"sent-to-ignore", with(send_and_exit, SIG_IGN)},
      {"sent-twice-to-one-shot-handler",
       with(send_twice, return_at_once, static_cast<int>(SA_RESETHAND))},
  };
  const auto scenario = scenarios.find(argc == 2 ? argv[1] : "");
  if (scenario != scenarios.end()) {
    scenario->second();
  }
  return 1;
}
