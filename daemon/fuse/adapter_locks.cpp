// SPDX-License-Identifier: MIT
#include <sys/file.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "fuse/adapter.h"
#include "fuse/request.h"

namespace mmapdirfs {

void Adapter::getlk(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock) {
  const auto found = fs_.find_record_lock(handle_of(info), owner_of(info), *lock);
  if (!found) {
    return reply_error(req, found.error());
  }
  fuse_reply_lock(req, &*found);
}

void Adapter::setlk(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock,
                    int sleep) {
  const HandleId handle = handle_of(info);
  const LockOwner owner = owner_of(info);
  answer_lock(req, fs_.set_record_lock(handle, owner, *lock), sleep != 0,
              [&] { return fs_.wait_for_record_lock(handle, owner, *lock); });
}

void Adapter::flock(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, int operation) {
  const HandleId handle = handle_of(info);
  answer_lock(req, fs_.set_flock(handle, operation), (operation & LOCK_NB) == 0,
              [&] { return fs_.wait_for_flock(handle, operation); });
}

// A lock that can't be had at once is waited for by a thread of its own, which then replies. The
// interrupter knows the wait by number: libfuse may still be calling it while the wait ends.
void Adapter::answer_lock(fuse_req_t req, const Result<void>& tried, bool may_wait,
                          const std::function<Result<LockWaits::Attempt>()>& wait) {
  if (tried || tried.error().errnum() != EAGAIN || !may_wait) {
    return reply_outcome(req, tried);
  }
  auto attempt = wait();
  if (!attempt) {
    return reply_error(req, attempt.error());
  }
  const WaitId id = fs_.lock_waits().prepare();
  fuse_req_interrupt_func(
      req,
      [](fuse_req_t interrupted, void* number) {
        const auto wait_id = WaitId{reinterpret_cast<std::uintptr_t>(number)};
        static_cast<Adapter*>(fuse_req_userdata(interrupted))->fs_.lock_waits().interrupt(wait_id);
      },
      reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)));
  fs_.lock_waits().begin(id, std::move(*attempt),
                         [req](const Result<void>& result) { reply_outcome(req, result); });
}

}  // namespace mmapdirfs
