// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

#include "metrics/operation_counters.h"

struct fuse_req;  // libfuse's

namespace mmapdirfs {

class PostponedOperation;

// An operation while its method runs in this thread; counted in the end, unless it was postponed.
// Borrows the counters. One at a time in a thread.
class RunningOperation {
 public:
  RunningOperation(OperationCounters& counters, const fuse_req* req, OperationKind kind);
  // Goes on with one that was postponed, in whichever thread.
  explicit RunningOperation(const PostponedOperation& postponed);
  RunningOperation(const RunningOperation&) = delete;
  RunningOperation& operator=(const RunningOperation&) = delete;
  ~RunningOperation();

 private:
  friend void note_errno(const fuse_req* req, int errnum);
  friend void note_bytes(const fuse_req* req, std::size_t count);
  friend class PostponedOperation;

  OperationCounters* const counters_;  // borrowed; null: it isn't to be counted
  const fuse_req* const req_;          // to be compared only: it is gone once it is answered
  const OperationKind kind_;
  const std::chrono::steady_clock::time_point begin_;
  int errnum_ = 0;
  std::size_t bytes_ = 0;
  bool is_postponed_ = false;
};

// What becomes of an operation, if it runs in the calling thread; else nothing happens.
void note_errno(const fuse_req* req, int errnum);
void note_bytes(const fuse_req* req, std::size_t count);  // read or written

// An operation that may be answered by another thread, which either says count() or goes on with it
// as a RunningOperation. A value.
class PostponedOperation {
 public:
  // The one that runs in the calling thread.
  static PostponedOperation take();

  // It is being answered, by the calling thread.
  void count(int errnum) const;

 private:
  friend class RunningOperation;

  OperationCounters* counters_ = nullptr;  // borrowed; null: none was running
  const fuse_req* req_ = nullptr;
  OperationKind kind_{};
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace mmapdirfs
