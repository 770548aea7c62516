// SPDX-License-Identifier: MIT
#include "fs/file_locks.h"

#include <cerrno>
#include <utility>

namespace mmapdirfs {
namespace {

// F_OFD_* want l_pid to be 0.
struct flock for_description(struct flock lock) {
  lock.l_pid = 0;
  lock.l_whence = SEEK_SET;
  return lock;
}

Result<void> apply(int description, int command, const struct flock& lock) {
  struct flock wanted = for_description(lock);
  if (::fcntl(description, command, &wanted) != 0) {
    // The program's own descriptor was fit for the lock, else the kernel had refused it. What could
    // be opened for it here wasn't: the file's mode lets its owner do less than he did when it was
    // made.
    const int errnum = errno == EBADF ? ENOLCK : errno;
    return std::unexpected(Error::from_errno(errnum == EACCES ? EAGAIN : errnum, "lock"));
  }
  return {};
}

// It fails only for want of memory, which the kernel needs to split a lock; then the lock goes with
// the description.
void unlock(int description, const LockedRange& range) {
  [[maybe_unused]] const auto done = apply(description, F_OFD_SETLK, range.lock_of_type(F_UNLCK));
}

Result<struct flock> conflict_on(int description, const struct flock& lock) {
  struct flock found = for_description(lock);
  if (::fcntl(description, F_OFD_GETLK, &found) != 0) {
    return std::unexpected(Error::from_errno(errno, "test the lock"));
  }
  return found;
}

}  // namespace

std::size_t FileLocks::KeyHash::operator()(const Key& key) const noexcept {
  // Owners are spread already (the kernel encrypts a pointer), nodes are dense.
  return std::hash<std::uint64_t>()(static_cast<std::uint64_t>(key.owner) ^
                                    static_cast<std::uint64_t>(key.node) << 1U);
}

Result<void> FileLocks::set(const LockWay& way, int fd, const struct flock& lock) {
  const Key key{.node = way.node, .owner = way.owner};
  const auto turn = turns_.lock(key);
  if (lock.l_type == F_UNLCK && !find(key)) {
    return {};
  }
  const auto description = find_or_open(key, lock.l_pid, fd);
  if (!description) {
    return std::unexpected(description.error());
  }
  return set_in_turn(way, *description, lock);
}

// A lock that was waited for may have been given back already, by another thread of its owner. It
// counts as taken in the turn that comes after the wait, in which it is taken once more.
Result<void> FileLocks::wait(const LockWay& way, int fd, const struct flock& lock) {
  const Key key{.node = way.node, .owner = way.owner};
  while (true) {
    const auto description = [&] {
      const auto turn = turns_.lock(key);
      return find_or_open(key, lock.l_pid, fd);
    }();
    if (!description) {
      return std::unexpected(description.error());
    }
    if (auto waited = apply((*description)->get(), F_OFD_SETLKW, lock); !waited) {
      return waited;
    }
    const auto turn = turns_.lock(key);
    if (find(key) != *description) {
      continue;  // the owner has closed the file; the lock goes with this description
    }
    auto taken = set_in_turn(way, *description, lock);
    if (taken || taken.error().errnum() != EAGAIN) {
      return taken;
    }
  }
}

// The owner's turn is held.
Result<void> FileLocks::set_in_turn(const LockWay& way, const SharedFd& description,
                                    const struct flock& lock) {
  if (auto done = apply(description->get(), F_OFD_SETLK, lock); !done) {
    return done;
  }
  auto owners = owners_.lock();
  LockedRanges& ranges = owners->at({.node = way.node, .owner = way.owner}).ranges;
  if (lock.l_type == F_UNLCK) {
    ranges.remove(LockedRange::of(lock));
  } else {
    ranges.add(LockedRange::of(lock), way.handle);
  }
  return {};
}

// The owner's turn is held.
Result<SharedFd> FileLocks::find_or_open(const Key& key, pid_t pid, int fd) {
  if (auto known = find(key)) {
    return known;
  }
  auto opened = open_lock_description_for_all(fd);
  if (opened) {
    descriptions_.add(*opened);
    owners_.lock()->emplace(key, Owner{.pid = pid, .description = *opened});
  }
  return opened;
}

Result<struct flock> FileLocks::find_conflict(NodeId node, LockOwner owner, int fd,
                                              const struct flock& lock) const {
  auto own = find({.node = node, .owner = owner});
  if (!own) {
    auto opened = open_lock_description(fd);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    own = std::move(*opened);
  }
  auto found = conflict_on(own->get(), lock);
  if (!found || found->l_type == F_UNLCK || found->l_pid != -1) {
    return found;
  }
  // A description's lock has no process. It is the lock of that owner of ours for whom nothing is
  // in the way on exactly these bytes.
  struct flock exactly = *found;
  exactly.l_type = F_WRLCK;
  for (const Holder& other : others_of(node, owner)) {
    const auto obstacle = conflict_on(other.description->get(), exactly);
    if (obstacle && obstacle->l_type == F_UNLCK) {
      found->l_pid = other.pid;
      break;
    }
  }
  return found;
}

void FileLocks::release_all(NodeId node, LockOwner owner) {
  const Key key{.node = node, .owner = owner};
  if (!find(key)) {
    return;  // as at most closes; a lock that is taken just now counts as taken after this close
  }
  const auto turn = turns_.lock(key);
  const auto released = owners_.lock()->extract(key);
  if (!released.empty()) {
    // Closing the description would do, but a thread that waits for another lock has it open.
    unlock(released.mapped().description->get(), kWholeFile);
  }
}

void FileLocks::release_handle(const LockWay& way) {
  const Key key{.node = way.node, .owner = way.owner};
  const auto turn = turns_.lock(key);
  const auto description = find(key);
  if (!description) {
    return;
  }
  const auto [ranges, is_last] = [&] {
    auto owners = owners_.lock();
    LockedRanges& held = owners->at(key).ranges;
    auto taken = held.take(way.handle);
    return std::pair(std::move(taken), held.empty());
  }();
  for (const LockedRange& range : ranges) {
    unlock(description->get(), range);
  }
  if (is_last) {
    const auto released = owners_.lock()->extract(key);
  }
}

SharedFd FileLocks::find(const Key& key) const {
  auto owners = owners_.lock();
  const auto found = owners->find(key);
  return found == owners->end() ? nullptr : found->second.description;
}

std::vector<FileLocks::Holder> FileLocks::others_of(NodeId node, LockOwner owner) const {
  std::vector<Holder> others;
  auto owners = owners_.lock();
  for (auto it = owners->lower_bound({.node = node, .owner = LockOwner{}});
       it != owners->end() && it->first.node == node; ++it) {
    if (it->first.owner != owner) {
      others.push_back({.pid = it->second.pid, .description = it->second.description});
    }
  }
  return others;
}

}  // namespace mmapdirfs
