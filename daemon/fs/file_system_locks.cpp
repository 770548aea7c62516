// SPDX-License-Identifier: MIT
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "fs/file_system.h"
#include "fs/file_version.h"

namespace mmapdirfs {
namespace {

// A release that is under way comes within some 100 us, or some ms on a busy machine. So long, once
// after each close of a descriptor that isn't the last, who is refused waits for nothing.
constexpr std::chrono::milliseconds kReleaseLimit(250);

Result<void> apply_flock(int description, int operation) {
  if (::flock(description, operation) != 0) {
    return std::unexpected(Error::from_errno(errno, "lock"));
  }
  return {};
}

}  // namespace

// What the handle is to know before a lock is taken by way of it, so that closes give it back.
Result<void> FileSystem::prepare_record_lock(OpenFile& file, HandleId handle, LockOwner owner) {
  const auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(Error::from_errno(ENOLCK, "hold one more lock"));
  }
  note_request(file, handle);
  file.lock_owners.lock()->insert(owner);
  return {};
}

// Whoever asks for a lock still has the handle open: its last close is yet to come.
void FileSystem::note_request(const OpenFile& file, HandleId handle) {
  files_with_locks_.note(file.node);
  if (file.tells_closes) {
    late_releases_.settle(file.node, handle);
  }
}

// Of a handle whose closes aren't told any moment may be after the last one.
void FileSystem::note_lock(const OpenFile& file, HandleId handle) {
  if (!file.tells_closes) {
    late_releases_.expect(file.node, handle);
  }
}

// What the process that closes doesn't give back by this is given back by the release.
void FileSystem::note_close(OpenFile& file, HandleId handle, LockOwner owner) {
  locks_.release_all(file.node, owner);
  const bool has_record_locks = [&] {
    auto owners = file.lock_owners.lock();
    owners->erase(owner);
    return !owners->empty();
  }();
  if (has_record_locks || *file.flock_description.lock() != nullptr) {
    late_releases_.expect(file.node, handle);
  }
}

Result<void> FileSystem::set_record_lock(HandleId handle, LockOwner owner,
                                         const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (lock.l_type != F_UNLCK) {
    if (const auto prepared = prepare_record_lock(**file, handle, owner); !prepared) {
      return prepared;
    }
  }
  auto done = locks_.set({.node = (*file)->node, .owner = owner, .handle = handle},
                         (*file)->descriptor.get()->get(), lock);
  if (done && lock.l_type != F_UNLCK) {
    note_lock(**file, handle);
  }
  return done;
}

Result<BlockingWaits::Attempt> FileSystem::wait_for_record_lock(HandleId handle, LockOwner owner,
                                                                const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (const auto prepared = prepare_record_lock(**file, handle, owner); !prepared) {
    return std::unexpected(prepared.error());
  }
  return [this, file = *file, owner, handle, lock] {
    const LockWay way{.node = file->node, .owner = owner, .handle = handle};
    auto done = locks_.wait(way, file->descriptor.get()->get(), lock);
    if (done) {
      note_lock(*file, handle);
    }
    return done;
  };
}

Result<struct flock> FileSystem::find_record_lock(HandleId handle, LockOwner owner,
                                                  const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  return locks_.find_conflict((*file)->node, owner, (*file)->descriptor.get()->get(), lock);
}

Result<SharedFd> FileSystem::flock_description(OpenFile& file, HandleId handle) {
  note_request(file, handle);
  if (auto known = *file.flock_description.lock()) {
    return known;
  }
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(Error::from_errno(ENOLCK, "hold one more lock"));
  }
  place->reset();
  auto opened = open_lock_description(file.descriptor.get()->get());
  if (!opened) {
    return opened;
  }
  auto description = file.flock_description.lock();
  if (!*description) {  // else another thread was faster
    *description = std::move(*opened);
    flock_descriptions_.add(*description);
  }
  return *description;
}

Result<void> FileSystem::set_flock(HandleId handle, int operation) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const auto description = flock_description(**file, handle);
  if (!description) {
    return std::unexpected(description.error());
  }
  auto done = apply_flock((*description)->get(), operation | LOCK_NB);
  if (done && (operation & LOCK_UN) == 0) {
    note_lock(**file, handle);
  }
  return done;
}

Result<BlockingWaits::Attempt> FileSystem::wait_for_flock(HandleId handle, int operation) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  auto description = flock_description(**file, handle);
  if (!description) {
    return std::unexpected(description.error());
  }
  return [this, file = *file, handle, fd = std::move(*description), operation] {
    auto done = apply_flock(fd->get(), operation);
    if (done) {
      note_lock(*file, handle);
    }
    return done;
  };
}

BlockingWaits::Attempt FileSystem::retry_record_lock(HandleId handle, LockOwner owner,
                                                     const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return {};
  }
  return retry_after_releases(
      (*file)->node, [this, handle, owner, lock] { return set_record_lock(handle, owner, lock); });
}

BlockingWaits::Attempt FileSystem::retry_flock(HandleId handle, int operation) {
  const auto file = files_.find(handle);
  if (!file) {
    return {};
  }
  return retry_after_releases((*file)->node,
                              [this, handle, operation] { return set_flock(handle, operation); });
}

BlockingWaits::Attempt FileSystem::retry_after_releases(NodeId node,
                                                        BlockingWaits::Attempt attempt) {
  if (!late_releases_.is_expected(node)) {
    // One that was in the way may have come since the first try.
    return attempt() ? BlockingWaits::Attempt([] { return Result<void>(); })
                     : BlockingWaits::Attempt();
  }
  return [this, node, attempt = std::move(attempt)] {
    late_releases_.await(node, kReleaseLimit);
    return attempt();
  };
}

std::optional<std::uint64_t> FileSystem::version_of_outdated_pages(HandleId handle) {
  const auto file = files_.find(handle);
  if (!file || (*file)->inode->path() == ReadPath::kPassthrough) {
    return std::nullopt;
  }
  const auto attributes = Source::attributes((*file)->descriptor.get()->get());
  const std::uint64_t version = attributes ? file_version(*attributes) : 0;
  const bool is_present = version != 0 && version == (*file)->inode->pages_version();
  return is_present ? std::nullopt : std::optional(version);
}

void FileSystem::note_pages(HandleId handle, std::uint64_t version) {
  if (const auto file = files_.find(handle)) {
    (*file)->inode->set_pages_version(version);
  }
}

}  // namespace mmapdirfs
