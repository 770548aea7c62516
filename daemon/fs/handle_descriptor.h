// SPDX-License-Identifier: MIT
#pragma once

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// A handle's descriptor on the source. While one is open there that may write, the file can't be
// executed (ETXTBSY), so it goes when the program closes the file rather than when the kernel
// releases the handle, which is a moment later. The daemon can't know whether a close was the last
// one: a handle that goes on being written is given its descriptor back.
//
// Any thread may call. What is answered stays open for as long as the caller has it.
class HandleDescriptor {
 public:
  // `flags` are those of the open that made `fd`.
  HandleDescriptor(SharedFd fd, int flags) : flags_(flags), state_(State{.fd = std::move(fd)}) {}

  // For what needs no right to write.
  SharedFd get() const { return state_.lock()->fd; }

  // Opens it again if it was given up; the errno that the source has for that.
  Result<SharedFd> for_writing();

  // Gives up what may write of a file that can be executed, and goes on with `reading`, another
  // descriptor of the file. Nothing happens where it couldn't be opened again.
  void give_up_writing(const SharedFd& reading);

 private:
  struct State {
    SharedFd fd{};
    bool is_given_up = false;
  };

  const int flags_;
  mutable mmapdir::Guarded<State> state_;
};

}  // namespace mmapdirfs
