// SPDX-License-Identifier: MIT
#pragma once

#include "fs/backing_registry.h"

namespace mmapdirfs {

// Registers passthrough files through the session's /dev/fuse.
class DeviceBackings final : public BackingRegistry {
 public:
  // `device` is borrowed; set it before the first request is served.
  void attach(int device) { device_ = device; }

  // EPERM without CAP_SYS_ADMIN in the initial user namespace; ELOOP for a file of a stacked file
  // system (overlayfs, another FUSE) deeper than the kernel takes.
  Result<BackingId> open(int fd) override;
  void close(BackingId id) override;

 private:
  int device_ = -1;
};

}  // namespace mmapdirfs
