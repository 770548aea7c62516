// SPDX-License-Identifier: MIT
#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>

#include "fs/types.h"

namespace mmapdirfs {

// Wakes the thread that lets go of what is held for a moment of file systems inside the source,
// which can't be unmounted before.
//
// Any thread may call note() and is_heard(), one thread the rest.
class HoldNotice {
 public:
  // Before the other threads. Until then nothing may be held, since nobody would let go of it.
  Result<void> begin() {
    call_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return call_ ? Result<void>()
                 : std::unexpected(Error::from_errno(errno, "hear of what is held"));
  }
  bool is_heard() const { return static_cast<bool>(call_); }

  // Something is held from now on.
  void note() {
    if (!is_noted_.load() && !is_noted_.exchange(true)) {
      ::eventfd_write(call_.get(), 1);
    }
  }

  // An eventfd, readable once something is held.
  int descriptor() const { return call_.get(); }

  // It was heard: nothing more is told until wait_again().
  void take() {
    eventfd_t calls = 0;
    ::eventfd_read(call_.get(), &calls);  // EAGAIN: there was no call
  }
  // What is held afterwards is told; look once more whether anything is.
  void wait_again() { is_noted_ = false; }

 private:
  UniqueFd call_;
  std::atomic<bool> is_noted_ = false;
};

}  // namespace mmapdirfs
