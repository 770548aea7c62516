// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fs/types.h"
#include "fuse/ring_entry.h"
#include "fuse/ring_thread.h"
#include "processors.h"
#include "support/guarded.h"

struct fuse_session;

namespace mmapdirfs {

// Requests and answers over io_uring: FUSE's own queue for each processor, served by several
// threads. What the kernel doesn't send there still comes through /dev/fuse: INTERRUPT, FORGET but
// for those that a listing waits for, and in the other direction notifications.
//
// This stands beside libfuse rather than using its `io_uring` option, which fits none of our
// needs (3.18.3): one thread per processor serves a queue, so that one blocking operation stalls
// it; an answer given by a short-lived thread takes the queue's entry with it; INTERRUPT doesn't
// find its request; and answers are copied without a guard. libfuse still parses the requests and
// builds the answers: it is handed requests as if they had been read from /dev/fuse, and its
// writes are caught by answer().
//
// A resource type. The threads are made by create(), before the kernel is told that they are to be
// used, so that what this machine doesn't allow is known in time.
class Rings {
 public:
  // At least two threads for each processor that is online, and `threads` in all if that is more.
  static Result<std::unique_ptr<Rings>> create(fuse_session* session, const Processors& processors,
                                               unsigned threads);

  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;
  // Ends the threads.
  ~Rings();

  // Tells the kernel in the answer to INIT that requests may come over io_uring; looks up there how
  // large they may be.
  void announce(std::span<iovec> init_answer);

  // Serves requests until stop() or until the mount is taken away. After announce().
  Result<void> start();

  // Returns when no request is being processed any more. Answers are dropped from then on.
  void stop();

  // Sends an answer if it belongs to a request that came over io_uring. Any thread may call.
  bool answer(std::span<const iovec> answer);

 private:
  explicit Rings(fuse_session* session) : session_(session) {}

  RingEntry* find(std::uint64_t unique);
  RingEntry& make_entry(RingThread& owner, unsigned queue);
  void process(std::span<std::byte> request);
  void fail(const Error& error);

  fuse_session* const session_;
  std::size_t payload_size_ = 0;  // known with announce()
  // Entries outlive the threads' rings.
  mmapdir::Guarded<std::vector<std::unique_ptr<RingEntry>>> entries_;
  std::vector<std::unique_ptr<RingThread>> threads_;
};

}  // namespace mmapdirfs
