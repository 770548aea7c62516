// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "fs/types.h"
#include "fuse/ring_entry.h"
#include "support/guarded.h"

namespace mmapdirfs {

// A thread that takes requests out of an io_uring of its own, one at a time, as a thread reading
// /dev/fuse does: while it is busy the kernel has no entry of its to fill, so the request goes to
// another thread, and an operation that blocks holds up nobody.
//
// The kernel delivers a request in the thread that submitted its entry, and takes the entry away
// when that thread ends. So only the owner submits: a request whose answer comes from another
// thread (a wait for a lock) gets its entry back from there by answer(). The thread goes on with a
// spare entry meanwhile; it has both afterwards, and what the kernel puts into the second while it
// is busy with the first has to wait.
class RingThread {
 public:
  struct Work {
    int device = -1;                                                    // /dev/fuse, borrowed
    std::function<RingEntry&(RingThread&, unsigned queue)> make_entry;  // may throw bad_alloc
    std::function<void(std::span<std::byte> request)> process;
    std::function<void(const Error&)> fail;  // the thread can't go on
  };

  // Makes the ring; nothing runs yet. `queues`: the processors whose requests it takes, with
  // `entries` for each to begin with, and never fewer in all than that in the kernel.
  static Result<std::unique_ptr<RingThread>> create(std::vector<unsigned> queues,
                                                    std::size_t entries);

  RingThread(const RingThread&) = delete;
  RingThread& operator=(const RingThread&) = delete;
  // Asks it to end, and waits for the request that it has.
  ~RingThread();

  // Throws std::system_error.
  void start(Work work);

  // Asks it to end after the request that it has, if it runs.
  void stop();
  // Waits until it has ended. Answers given to it from then on are lost.
  void join();

  // Whether the calling thread is processing a request of that number now; then it is answered and
  // `entry` goes back to the kernel after process().
  static bool answer_own(std::uint64_t unique, std::span<const iovec> answer);

  // Gives an entry back, with its answer, from another thread.
  void give_back(RingEntry& entry);

 private:
  struct Mail {
    std::vector<RingEntry*> answered;
    bool stop = false;
  };

  RingThread(std::vector<unsigned> queues, std::size_t entries, UniqueFd wake)
      : queues_(std::move(queues)), entries_(entries), wake_(std::move(wake)) {}

  void run();
  Result<void> open();
  void await_mail();
  void read_mail();
  void take(const io_uring_cqe& completion);
  void serve(RingEntry& entry);
  void add_entry(unsigned queue);
  void submit_entry(RingEntry& entry, ring::Command command);
  io_uring_sqe& next_sqe();
  void wake();

  const std::vector<unsigned> queues_;
  const std::size_t entries_;  // of each queue
  const UniqueFd wake_;        // an eventfd
  Work work_;
  mmapdir::Guarded<Mail> mail_;

  // Used by the thread alone, once it runs.
  io_uring ring_{};
  std::uint64_t wakes_ = 0;    // read from wake_, by the kernel
  std::size_t in_kernel_ = 0;  // entries
  bool ended_ = false;

  std::thread thread_;
};

}  // namespace mmapdirfs
