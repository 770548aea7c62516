// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "fs/lock_descriptions.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// Whom a POSIX record lock belongs to, as the kernel names a process's table of open files.
enum class LockOwner : std::uint64_t {};

// POSIX record locks taken through the mount, held on the source: so they exclude processes there
// as well as each other.
//
// Each owner of locks on an inode has an open file description of its own there and holds its locks
// as that description's (F_OFD_SETLK, Linux 3.15). Plain record locks wouldn't do: the daemon is a
// single process, whose locks never conflict, and closing any descriptor of a file drops them all.
// What is lost is the detection of deadlocks (EDEADLK), which the kernel doesn't do for such locks.
//
// Any thread may call. No lock is held across a system call.
class FileLocks {
 public:
  // A description on the file of `fd` that holds locks for nobody yet; for writing if that may be,
  // since an exclusive record lock needs it.
  static Result<SharedFd> open_description(int fd);

  // Finds the owner's description on the file of `fd`, or opens one by way of it. It lives until
  // release() and the last use.
  Result<SharedFd> description_of(NodeId node, LockOwner owner, pid_t pid, int fd);

  // Takes, changes or gives back a lock without waiting; EAGAIN where another one is in the way.
  static Result<void> set(int description, const struct flock& lock);

  // The same, waiting for as long as it takes; EINTR when a signal came.
  static Result<void> wait(int description, const struct flock& lock);

  // What is in the way of a lock, with l_type F_UNLCK where nothing is. l_pid tells who holds it:
  // on the source or through the mount; -1 where that can't be told.
  Result<struct flock> find_conflict(NodeId node, LockOwner owner, int fd,
                                     const struct flock& lock) const;

  // The owner's description, or null: then it holds nothing.
  SharedFd find(NodeId node, LockOwner owner) const;

  // Locks held at this moment.
  std::size_t held() const { return descriptions_.held(); }

  // Gives back all that the owner holds on the inode, as closing any of its descriptors does.
  void release(NodeId node, LockOwner owner);

 private:
  struct Owner {
    pid_t pid;
    SharedFd description;
  };
  using Key = std::pair<NodeId, LockOwner>;

  std::vector<Owner> others_of(NodeId node, LockOwner owner) const;

  mutable mmapdir::Guarded<std::map<Key, Owner>> owners_;
  LockDescriptions descriptions_;
};

}  // namespace mmapdirfs
