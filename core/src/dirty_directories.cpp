// SPDX-License-Identifier: MIT
#include "dirty_directories.h"

#include <algorithm>
#include <utility>

#include "posix.h"

namespace mmapdir {

DirtyDirectories::Change::Change(DirtyDirectories& owner, std::shared_ptr<Directory> directory)
    : owner_(&owner), directory_(std::move(directory)) {}

DirtyDirectories::Change::~Change() {
  if (directory_) {
    owner_->end(*directory_);
  }
}

int DirtyDirectories::Change::fd() const { return directory_->fd.get(); }

Result<DirtyDirectories::Change> DirtyDirectories::begin(UniqueFd directory,
                                                         std::string_view name) {
  const auto status = file_status(directory.get(), name);
  if (!status) {
    return std::unexpected(status.error());
  }
  while (true) {
    if (auto change = begin_if_room(directory, FileIdentity::of(*status), name)) {
      return std::move(*change);
    }
    if (auto room = make_room(); !room) {
      return std::unexpected(room.error());
    }
  }
}

std::optional<DirtyDirectories::Change> DirtyDirectories::begin_if_room(UniqueFd& fd,
                                                                        FileIdentity identity,
                                                                        std::string_view name) {
  auto directories = directories_.lock();
  auto found = std::ranges::find(*directories, identity, &Directory::identity);
  if (found == directories->end()) {
    if (oldest_at_rest_if_full(*directories)) {
      return std::nullopt;
    }
    directories->push_back(std::make_shared<Directory>(std::move(fd), identity, std::string(name)));
    found = std::prev(directories->end());
  }
  ++(*found)->changes_running;
  ++(*found)->changes_begun;
  return Change(*this, *found);
}

void DirtyDirectories::end(Directory& directory) {
  const auto directories = directories_.lock();
  --directory.changes_running;
}

std::shared_ptr<DirtyDirectories::Directory> DirtyDirectories::oldest_at_rest_if_full(
    const Directories& directories) const {
  if (directories.size() < capacity_) {
    return nullptr;
  }
  const auto found = std::ranges::find(directories, 0U, &Directory::changes_running);
  return found == directories.end() ? nullptr : *found;
}

Result<void> DirtyDirectories::make_room() {
  const std::scoped_lock lock(syncing_);
  const auto oldest = oldest_at_rest_if_full(*directories_.lock());
  if (!oldest) {
    return {};  // another thread has made room
  }
  auto synced = sync_one(oldest);
  if (!synced) {
    oldest->unreported = synced.error();
  }
  return synced;
}

Result<void> DirtyDirectories::sync() {
  const std::scoped_lock lock(syncing_);
  const Directories dirty = *directories_.lock();
  Result<void> first_failure;
  for (const auto& directory : dirty) {
    auto synced = sync_one(directory);
    if (!synced && first_failure) {
      first_failure = std::move(synced);
    }
  }
  return first_failure;
}

// syncing_ is held.
Result<void> DirtyDirectories::sync_one(const std::shared_ptr<Directory>& directory) {
  bool at_rest = false;
  std::uint64_t changes_seen = 0;
  {
    const auto directories = directories_.lock();
    at_rest = directory->changes_running == 0;
    changes_seen = directory->changes_begun;
  }
  if (const auto synced = sync_to_disk(directory->fd.get(), directory->name); !synced) {
    directory->unreported.reset();
    return synced;
  }
  if (const auto unreported = std::exchange(directory->unreported, std::nullopt)) {
    return std::unexpected(*unreported);
  }
  auto directories = directories_.lock();
  if (at_rest && directory->changes_begun == changes_seen) {
    std::erase(*directories, directory);
  }
  return {};
}

}  // namespace mmapdir
