// SPDX-License-Identifier: MIT
// Requests that are answered by a thread of their own, since they wait for another process on the
// source.
#include "fuse/adapter_waits.h"

#include <cstdint>
#include <exception>

#include "fuse/link.h"
#include "fuse/request.h"

namespace mmapdirfs {

// The interrupter knows the wait by number: libfuse may still be calling it while the wait ends.
void Adapter::begin_wait(fuse_req_t req, WaitKind kind, BlockingWaits::Attempt attempt,
                         const BlockingWaits::Done& done) {
  const WaitId id = fs_.waits().prepare(kind);
  fuse_req_interrupt_func(
      req,
      [](fuse_req_t interrupted, void* number) {
        const auto wait_id = WaitId{reinterpret_cast<std::uintptr_t>(number)};
        adapter_of(interrupted).fs_.waits().interrupt(wait_id);
      },
      // NOLINTNEXTLINE(performance-no-int-to-ptr): a pointer's place is all that libfuse has.
      reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)));
  fs_.waits().begin(id, std::move(attempt), done);
}

// Who had the lease may have kept changes back until now: what was reported of them is seen to
// before the answer, as when a lock is taken. Both functions run outside of the wall that
// operations have.
void Adapter::wait_for_lease(fuse_req_t req, BlockingWaits::Attempt attempt,
                             BlockingWaits::Done reply) {
  const auto guarded = [attempt = std::move(attempt)]() -> Result<void> {
    try {
      return attempt();
    } catch (const std::exception& error) {
      return std::unexpected(Error::from_errno(errno_of(error), "wait for a lease"));
    }
  };
  begin_wait(req, WaitKind::kLease, guarded,
             [this, req, reply = std::move(reply),
              operation = PostponedOperation::take()](const Result<void>& waited) {
               const auto answer = [req, reply, operation, waited] {
                 const RunningOperation running(operation);
                 try {
                   reply(waited);
                 } catch (const std::exception& error) {
                   reply_errno(req, errno_of(error));
                 }
               };
               policy_.owns_source() ? answer() : fs_.catch_up(answer);
             });
}

}  // namespace mmapdirfs
