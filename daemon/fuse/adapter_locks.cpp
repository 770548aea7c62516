// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "fuse/adapter.h"
#include "fuse/invalidator.h"
#include "fuse/request.h"

namespace mmapdirfs {

void Adapter::getlk(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock) {
  const auto found = fs_.find_record_lock(handle_of(info), owner_of(info), *lock);
  if (!found) {
    return reply_error(req, found.error());
  }
  fuse_reply_lock(req, &*found);
}

void Adapter::setlk(fuse_req_t req, fuse_ino_t node, fuse_file_info* info, struct flock* lock,
                    int sleep) {
  const HandleId handle = handle_of(info);
  const LockOwner owner = owner_of(info);
  answer_lock({.req = req,
               .operation = PostponedOperation::take(),
               .node = node,
               .handle = handle,
               .takes = lock->l_type != F_UNLCK},
              fs_.set_record_lock(handle, owner, *lock), [&]() -> Result<BlockingWaits::Attempt> {
                return sleep != 0 ? fs_.wait_for_record_lock(handle, owner, *lock)
                                  : fs_.retry_record_lock(handle, owner, *lock);
              });
}

void Adapter::flock(fuse_req_t req, fuse_ino_t node, fuse_file_info* info, int operation) {
  const HandleId handle = handle_of(info);
  answer_lock({.req = req,
               .operation = PostponedOperation::take(),
               .node = node,
               .handle = handle,
               .takes = (operation & LOCK_UN) == 0},
              fs_.set_flock(handle, operation), [&]() -> Result<BlockingWaits::Attempt> {
                return (operation & LOCK_NB) == 0 ? fs_.wait_for_flock(handle, operation)
                                                  : fs_.retry_flock(handle, operation);
              });
}

// A lock that can't be had at once is waited for by a thread of its own, which then replies.
void Adapter::answer_lock(const LockRequest& request, const Result<void>& tried,
                          const Postponed& postponed) {
  if (tried || tried.error().errnum() != EAGAIN) {
    return reply_lock(request, tried);
  }
  auto attempt = postponed();
  if (!attempt) {
    return reply_last(request, std::unexpected(attempt.error()));
  }
  if (!*attempt) {
    return reply_last(request, tried);
  }
  begin_wait(request.req, WaitKind::kLock, std::move(*attempt),
             [this, request](const Result<void>& result) { reply_lock(request, result); });
}

// Whoever takes a lock relies on seeing what its last holder did, who may have been on the source:
// which files there are, and what is in this one.
void Adapter::reply_lock(const LockRequest& request, const Result<void>& result) {
  if (!result || !request.takes || policy_.owns_source()) {
    return reply_last(request, result);
  }
  fs_.catch_up([this, request] { reply_taken(request); });
}

// What the kernel keeps of the file ends here, as it does on NFS: its attributes and, unless they
// are known to be the file's present ones, its pages, with which the attributes go anyway.
void Adapter::reply_taken(const LockRequest& request) {
  const auto version = fs_.version_of_outdated_pages(request.handle);
  if (!version) {
    if (policy_.keeps_pages()) {
      invalidator_.forget_attributes(node_of(request.node));
    }
    return reply_last(request, {});
  }
  invalidator_.forget_pages(node_of(request.node), [this, request, version = *version] {
    fs_.note_pages(request.handle, version);
    reply_last(request, {});
  });
}

// In whichever thread.
void Adapter::reply_last(const LockRequest& request, const Result<void>& result) {
  request.operation.count(result ? 0 : result.error().errnum());
  reply_outcome(request.req, result);
}

}  // namespace mmapdirfs
