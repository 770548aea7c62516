// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

#include "fs/types.h"
#include "watch/change.h"

namespace mmapdirfs {

// A fanotify group whose marks are directories: it reports their changes and those of the files in
// them by file handle and name (fanotify(7): FAN_REPORT_DFID_NAME_TARGET, Linux 5.17; any user may
// have one).
//
// Rather than inotify because of three things that inotify doesn't tell: who made a change, so that
// the mount's own aren't taken for others'; what a name that is gone belonged to; and equal events
// are merged anywhere in the queue.
//
// A resource type. add() and remove() may be called by any thread, read() by one.
class FanotifyGroup {
 public:
  static Result<FanotifyGroup> create();

  // ENOSPC: the limit of marks (/proc/sys/fs/fanotify/max_user_marks). EOPNOTSUPP, EXDEV, ENODEV:
  // the file system can't. `fd` may be O_PATH.
  Result<void> add(int fd);
  Result<void> remove(int fd);

  // Hands over all that has been reported by now, and maybe more.
  Result<void> read(const std::function<void(const Change&)>& take);

  // Whether there is anything to read.
  bool has_changes() const;

  // Readable when there is something to read.
  int descriptor() const { return group_.get(); }

 private:
  explicit FanotifyGroup(UniqueFd group) : group_(std::move(group)) {}

  Result<void> mark(unsigned how, int fd);
  Result<std::size_t> read_some(const std::function<void(const Change&)>& take);

  UniqueFd group_;
};

}  // namespace mmapdirfs
