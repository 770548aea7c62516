// SPDX-License-Identifier: MIT
#include "fault_guard.h"

#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace mmapdir {
namespace {

// The source of the copy that a thread is in, and the way out of it.
struct GuardedSource {
  sigjmp_buf escape;
  std::uintptr_t begin;
  std::uintptr_t end;
  sigset_t blocked;  // by the thread when it faulted; set by the handler
};

// initial-exec: the handler runs in threads that never copied, where the general model would
// allocate, which a signal handler must not.
[[gnu::tls_model("initial-exec")]] constinit thread_local GuardedSource* volatile current_source =
    nullptr;

// Signal dispositions belong to the process, so the one that was found has to be a global as well.
struct Installation {
  struct sigaction previous{};
  std::uintptr_t page_mask = 0;
};

Installation installation;
std::atomic_flag previous_was_reset;

// Only the kernel's own codes carry an address; kill() and its like have codes of 0 and below.
bool is_fault(const siginfo_t& info) { return info.si_code > 0; }

// Some processors, and reports of broken memory, name the page only.
bool concerns(const GuardedSource& source, const siginfo_t& info) {
  const auto address = reinterpret_cast<std::uintptr_t>(info.si_addr);
  return address >= (source.begin & installation.page_mask) && address < source.end;
}

// Ends the process as if nobody had ever installed a handler: a fault by running into it again.
void die_by_default(int signal, const siginfo_t& info) {
  struct sigaction by_default{};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(signal, &by_default, nullptr);
  if (!is_fault(info)) {
    ::raise(signal);
  }
}

// Does what the kernel would have done with the disposition that was there before.
void pass_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous = installation.previous;
  const bool takes_info = (previous.sa_flags & SA_SIGINFO) != 0;
  if (!takes_info && previous.sa_handler == SIG_IGN && !is_fault(*info)) {
    return;  // what is sent can be ignored, a fault can't
  }
  if (!takes_info && (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)) {
    die_by_default(signal, *info);
    return;
  }
  if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0 &&
      previous_was_reset.test_and_set()) {
    die_by_default(signal, *info);
    return;
  }
  // Returning from the signal restores the mask.
  sigset_t blocked = previous.sa_mask;
  if ((previous.sa_flags & SA_NODEFER) == 0) {
    sigaddset(&blocked, signal);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  if (takes_info) {
    previous.sa_sigaction(signal, info, context);
  } else {
    previous.sa_handler(signal);
  }
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  GuardedSource* const source = current_source;
  if (source != nullptr && is_fault(*info) && concerns(*source, *info)) {
    // Of the kernel's smaller set, which is all that the frame of a signal has room for.
    sigemptyset(&source->blocked);
    std::memcpy(&source->blocked, &static_cast<ucontext_t*>(context)->uc_sigmask, (_NSIG - 1) / 8);
    siglongjmp(source->escape, 1);
  }
  pass_on(signal, info, context);
}

// SA_NODEFER: a handler that this one passes on to, or the default, must be able to see the signal
// again.
bool install() {
  installation.page_mask = ~(static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)) - 1);
  ::sigaction(SIGBUS, nullptr, &installation.previous);  // complete before the handler can run
  struct sigaction ours{};
  ours.sa_sigaction = on_bus_error;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  return ::sigaction(SIGBUS, &ours, nullptr) == 0;
}

}  // namespace

bool copy_unless_bus_error(void* to, const void* from, std::size_t size) {
  [[maybe_unused]] static const bool installed = install();

  GuardedSource source;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  source.begin = reinterpret_cast<std::uintptr_t>(from);
  source.end = source.begin + size;
  GuardedSource* const outer = current_source;  // of the copy that a signal interrupted
  if (sigsetjmp(source.escape, 0) != 0) {
    current_source = outer;
    // Here rather than by sigsetjmp, which would ask for the mask at every copy. Whoever stands
    // between the kernel and the handler (a sanitizer does) may have blocked more than this file.
    ::pthread_sigmask(SIG_SETMASK, &source.blocked, nullptr);
    return false;
  }
  current_source = &source;
  std::atomic_signal_fence(std::memory_order_seq_cst);  // no byte is read unguarded
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  current_source = outer;
  return true;
}

}  // namespace mmapdir
