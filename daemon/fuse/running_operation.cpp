// SPDX-License-Identifier: MIT
#include "fuse/running_operation.h"

namespace mmapdirfs {
namespace {

using Clock = std::chrono::steady_clock;

// libfuse calls an operation in a thread and hands nothing through it but the request, which is
// gone once it is answered. So what becomes of the operation is kept by the thread.
constinit thread_local RunningOperation* running = nullptr;

}  // namespace

RunningOperation::RunningOperation(OperationCounters& counters, const fuse_req* req,
                                   OperationKind kind)
    : counters_(&counters), req_(req), kind_(kind), begin_(Clock::now()) {
  running = this;
}

RunningOperation::RunningOperation(const PostponedOperation& postponed)
    : counters_(postponed.counters_),
      req_(postponed.req_),
      kind_(postponed.kind_),
      begin_(postponed.begin_) {
  running = this;
}

RunningOperation::~RunningOperation() {
  running = nullptr;
  if (!is_postponed_ && counters_ != nullptr) {
    counters_->count(kind_, {.latency = Clock::now() - begin_, .errnum = errnum_, .bytes = bytes_});
  }
}

// Whoever knows the errno is answering.
void note_errno(const fuse_req* req, int errnum) {
  if (running != nullptr && running->req_ == req) {
    running->errnum_ = errnum;
    running->is_postponed_ = false;
  }
}

void note_bytes(const fuse_req* req, std::size_t count) {
  if (running != nullptr && running->req_ == req) {
    running->bytes_ += count;
  }
}

PostponedOperation PostponedOperation::take() {
  PostponedOperation postponed;
  if (running != nullptr) {
    running->is_postponed_ = true;
    postponed.counters_ = running->counters_;
    postponed.req_ = running->req_;
    postponed.kind_ = running->kind_;
    postponed.begin_ = running->begin_;
  }
  return postponed;
}

void PostponedOperation::count(int errnum) const {
  if (running != nullptr && running->req_ == req_) {
    note_errno(req_, errnum);  // answered by its own thread after all
  } else if (counters_ != nullptr) {
    counters_->count(kind_, {.latency = Clock::now() - begin_, .errnum = errnum});
  }
}

}  // namespace mmapdirfs
