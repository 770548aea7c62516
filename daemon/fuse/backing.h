// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

#include "fs/backing_registry.h"

namespace mmapdirfs {

// Registers passthrough files through the session's /dev/fuse.
class DeviceBackings final : public BackingRegistry {
 public:
  // `device` is borrowed; set it before the first request is served.
  void attach(int device) { device_ = device; }

  // The connection is about to end, and with it every registration that is left: close() has
  // nothing more to do, and must not reach a descriptor that has taken the device's number.
  void detach() { device_ = -1; }

  // From now on the first file that is refused is logged; others go the same way and aren't.
  void log_first_refusal() { log_refusal_ = true; }

  // What is written through passthrough loses set-user-id and set-group-id bits and keeps within
  // the owner's quota whoever writes; on the source itself root's writing doesn't. EPERM without
  // CAP_SYS_ADMIN in the initial user namespace; ELOOP for a file of a stacked file system
  // (overlayfs, another FUSE) deeper than the kernel takes.
  Result<BackingId> open(int fd, const Caller& opener) override;
  void close(BackingId id) override;

 private:
  int device_ = -1;
  std::atomic<bool> log_refusal_ = false;
};

}  // namespace mmapdirfs
