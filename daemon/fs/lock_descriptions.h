// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// A new description on the file of `fd`, to hold locks; open as that is, so that no lease is broken
// that it has left.
Result<SharedFd> open_lock_description(int fd);

// The same, to hold locks that are taken by way of other descriptors, too; for writing if that may
// be, since an exclusive record lock needs it.
Result<SharedFd> open_lock_description_for_all(int fd);

// The open file descriptions by which locks are held on the source, to tell how many there are. It
// keeps none of them open: closing one gives its locks back, which mustn't wait for this.
//
// Any thread may call.
class LockDescriptions {
 public:
  void add(const SharedFd& description);

  // Locks held by those that are open, as the kernel lists them (/proc/self/fdinfo).
  std::size_t held() const;

 private:
  struct Description {
    std::weak_ptr<const UniqueFd> owner;
    int fd;
  };

  struct State {
    std::vector<Description> descriptions;
    std::size_t room = 0;  // for so many, before closed ones are sought
  };

  mutable mmapdir::Guarded<State> state_;
};

}  // namespace mmapdirfs
