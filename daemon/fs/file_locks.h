// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "fs/lock_descriptions.h"
#include "fs/locked_ranges.h"
#include "fs/types.h"
#include "support/guarded.h"
#include "support/keyed_mutex.h"

namespace mmapdirfs {

// Whom a POSIX record lock belongs to, as the kernel names a process's table of open files.
enum class LockOwner : std::uint64_t {};

// By which way a request for a record lock came.
struct LockWay {
  NodeId node;
  LockOwner owner;
  HandleId handle;
};

// POSIX record locks taken through the mount, held on the source: so they exclude processes there
// as well as each other.
//
// Each owner of locks on an inode has an open file description of its own there and holds its locks
// as that description's (F_OFD_SETLK, Linux 3.15). Plain record locks wouldn't do: the daemon is a
// single process, whose locks never conflict, and closing any descriptor of a file drops them all.
// What is lost is the detection of deadlocks (EDEADLK), which the kernel doesn't do for such locks.
//
// An owner's locks go by release_all() when it closes the file. The release of a handle comes when
// the last process has closed it, which may be long after its owner has closed it, and locked anew
// by way of another: so it gives back only what was locked by way of that very handle.
//
// Any thread may call. Changes of one owner's locks on one file are made one after the other; only
// that owner's turn is held across system calls, and none across one that waits for a lock.
class FileLocks {
 public:
  // Takes, changes or gives back a lock without waiting; EAGAIN where another one is in the way.
  // `fd` is a descriptor of the file, by which the owner's description is opened if it has none.
  Result<void> set(const LockWay& way, int fd, const struct flock& lock);

  // The same, waiting for as long as it takes; EINTR when a signal came.
  Result<void> wait(const LockWay& way, int fd, const struct flock& lock);

  // What is in the way of a lock, with l_type F_UNLCK where nothing is. l_pid tells who holds it:
  // on the source or through the mount; -1 where that can't be told.
  Result<struct flock> find_conflict(NodeId node, LockOwner owner, int fd,
                                     const struct flock& lock) const;

  // Locks held at this moment.
  std::size_t held() const { return descriptions_.held(); }

  // Gives back all that the owner holds on the inode, as closing any of its descriptors does.
  void release_all(NodeId node, LockOwner owner);

  // Gives back what the owner locked by way of the handle, which is gone.
  void release_handle(const LockWay& way);

  void release_all() { const auto gone = std::exchange(*owners_.lock(), {}); }

 private:
  struct Key {
    NodeId node;
    LockOwner owner;
    auto operator<=>(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  struct Owner {
    pid_t pid;
    SharedFd description;
    LockedRanges ranges{};
  };
  struct Holder {
    pid_t pid;
    SharedFd description;
  };

  SharedFd find(const Key& key) const;
  Result<SharedFd> find_or_open(const Key& key, pid_t pid, int fd);
  Result<void> set_in_turn(const LockWay& way, const SharedFd& description,
                           const struct flock& lock);
  std::vector<Holder> others_of(NodeId node, LockOwner owner) const;

  // Lock order: an owner's turn, then the table.
  mmapdir::KeyedMutex<Key, KeyHash> turns_;
  mutable mmapdir::Guarded<std::map<Key, Owner>> owners_;
  LockDescriptions descriptions_;
};

}  // namespace mmapdirfs
