// SPDX-License-Identifier: MIT
#include "fs/file_locks.h"

#include <cerrno>

#include "fs/source.h"

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

Result<struct flock> conflict_on(int description, const struct flock& lock) {
  struct flock found = for_description(lock);
  if (::fcntl(description, F_OFD_GETLK, &found) != 0) {
    return std::unexpected(Error::from_errno(errno, "test the lock"));
  }
  return found;
}

}  // namespace

Result<SharedFd> FileLocks::open_description(int fd) {
  const ProcPath path(fd);
  UniqueFd opened(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!opened) {
    opened.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  if (!opened) {
    return std::unexpected(Error::from_errno(errno, "open for locking"));
  }
  return std::make_shared<const UniqueFd>(std::move(opened));
}

Result<SharedFd> FileLocks::description_of(NodeId node, LockOwner owner, pid_t pid, int fd) {
  if (auto known = find(node, owner)) {
    return known;
  }
  auto opened = open_description(fd);
  if (!opened) {
    return opened;
  }
  // Another thread of the owner may have been faster: then its description is the one.
  auto owners = owners_.lock();
  const auto [place, is_new] =
      owners->try_emplace({node, owner}, Owner{.pid = pid, .description = *opened});
  if (is_new) {
    descriptions_.add(*opened);
  }
  return place->second.description;
}

Result<void> FileLocks::set(int description, const struct flock& lock) {
  return apply(description, F_OFD_SETLK, lock);
}

Result<void> FileLocks::wait(int description, const struct flock& lock) {
  return apply(description, F_OFD_SETLKW, lock);
}

Result<struct flock> FileLocks::find_conflict(NodeId node, LockOwner owner, int fd,
                                              const struct flock& lock) const {
  auto own = find(node, owner);
  if (!own) {
    auto opened = open_description(fd);
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
  for (const Owner& other : others_of(node, owner)) {
    const auto obstacle = conflict_on(other.description->get(), exactly);
    if (obstacle && obstacle->l_type == F_UNLCK) {
      found->l_pid = other.pid;
      break;
    }
  }
  return found;
}

void FileLocks::release(NodeId node, LockOwner owner) {
  // Closing the description gives its locks back; that happens after the table is unlocked.
  const auto released = owners_.lock()->extract({node, owner});
}

SharedFd FileLocks::find(NodeId node, LockOwner owner) const {
  auto owners = owners_.lock();
  const auto found = owners->find({node, owner});
  return found == owners->end() ? nullptr : found->second.description;
}

std::vector<FileLocks::Owner> FileLocks::others_of(NodeId node, LockOwner owner) const {
  std::vector<Owner> others;
  auto owners = owners_.lock();
  for (auto it = owners->lower_bound({node, LockOwner{}});
       it != owners->end() && it->first.first == node; ++it) {
    if (it->first.second != owner) {
      others.push_back(it->second);
    }
  }
  return others;
}

}  // namespace mmapdirfs
