// SPDX-License-Identifier: MIT
#include <sys/file.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "fs/file_system.h"
#include "fs/file_version.h"

namespace mmapdirfs {
namespace {

Result<void> apply_flock(int description, int operation) {
  if (::flock(description, operation) != 0) {
    return std::unexpected(Error::from_errno(errno, "lock"));
  }
  return {};
}

}  // namespace

// What the handle is to know before a lock is taken by way of it, so that closes give it back.
Result<void> FileSystem::prepare_record_lock(OpenFile& file, LockOwner owner) {
  const auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(Error::from_errno(ENOLCK, "hold one more lock"));
  }
  files_with_locks_.note(file.node);
  file.lock_owners.lock()->insert(owner);
  return {};
}

Result<void> FileSystem::set_record_lock(HandleId handle, LockOwner owner,
                                         const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (lock.l_type != F_UNLCK) {
    if (const auto prepared = prepare_record_lock(**file, owner); !prepared) {
      return prepared;
    }
  }
  return locks_.set({.node = (*file)->node, .owner = owner, .handle = handle},
                    (*file)->descriptor.get()->get(), lock);
}

Result<LockWaits::Attempt> FileSystem::wait_for_record_lock(HandleId handle, LockOwner owner,
                                                            const struct flock& lock) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (const auto prepared = prepare_record_lock(**file, owner); !prepared) {
    return std::unexpected(prepared.error());
  }
  const LockWay way{.node = (*file)->node, .owner = owner, .handle = handle};
  return [this, way, fd = (*file)->descriptor.get(), lock] {
    return locks_.wait(way, fd->get(), lock);
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

Result<SharedFd> FileSystem::flock_description(OpenFile& file) {
  if (auto known = *file.flock_description.lock()) {
    return known;
  }
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(Error::from_errno(ENOLCK, "hold one more lock"));
  }
  place->reset();
  files_with_locks_.note(file.node);
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
  const auto description = flock_description(**file);
  if (!description) {
    return std::unexpected(description.error());
  }
  return apply_flock((*description)->get(), operation | LOCK_NB);
}

Result<LockWaits::Attempt> FileSystem::wait_for_flock(HandleId handle, int operation) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  auto description = flock_description(**file);
  if (!description) {
    return std::unexpected(description.error());
  }
  return [fd = std::move(*description), operation] { return apply_flock(fd->get(), operation); };
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
