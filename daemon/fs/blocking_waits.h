// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "fs/types.h"

namespace mmapdirfs {

// A wait, as its interrupter names it.
enum class WaitId : std::uint64_t {};

// What another process on the source has, and is waited for.
enum class WaitKind {
  kLock,
  kLease,  // fcntl(F_SETLEASE): the kernel lets nobody else open the file until it is given up
};

// Runs system calls that block until another process gives up a lock or lease on the source. Each
// runs on a thread of its own and waits in the kernel's queue: so no request thread is blocked, the
// order is the source's, and nothing is polled. A wait ends when the call succeeds or fails, or by
// interrupt() with EINTR.
//
// An interrupt is a signal (SIGRTMIN, whose handler does nothing) to the waiting thread. One that
// comes just before the thread enters the system call would be lost; so a keeper thread sends it
// again each millisecond until the wait is over. Without interrupts under way it sleeps.
//
// Any thread may call. One instance a process, since the signal's handler is the process's.
class BlockingWaits {
 public:
  using Attempt = std::function<Result<void>()>;          // blocks; EINTR after a signal
  using Done = std::function<void(const Result<void>&)>;  // called once, in the waiting thread

  BlockingWaits();
  BlockingWaits(const BlockingWaits&) = delete;
  BlockingWaits& operator=(const BlockingWaits&) = delete;
  ~BlockingWaits();

  // A wait that can be interrupted from now on, but hasn't begun.
  WaitId prepare(WaitKind kind);

  // Begins it. `done` is called at once, in the calling thread, where no thread can be had for it
  // (ENOLCK for a lock, EAGAIN for a lease) or all are being stopped (EINTR).
  void begin(WaitId id, Attempt attempt, const Done& done);

  // Ends a wait, also one that hasn't begun; one that is over is left alone.
  void interrupt(WaitId id);

  // Waits that aren't over.
  std::size_t count(WaitKind kind) const;

  // Interrupts all waits and returns once they are over; none begins afterwards.
  void stop();

 private:
  struct Wait {
    WaitKind kind{};
    std::thread thread{};  // once it has begun
    bool is_interrupted = false;
    bool is_over = false;  // nothing is left to interrupt
    bool is_done = false;  // told, and only to be joined
  };

  Result<void> start(WaitId id, Attempt attempt, const Done& done);
  std::unexpected<Error> refuse(WaitId id, int errnum);
  void run(WaitId id, WaitKind kind, const Attempt& attempt, const Done& done);
  bool is_interrupted(WaitId id);
  void keep();
  std::thread take_finished();
  bool signal_interrupted();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::map<WaitId, Wait> waits_;
  std::uint64_t last_ = 0;
  bool stopping_ = false;

  std::thread keeper_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
