// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "file_identity.h"
#include "mmapdir/result.h"
#include "support/guarded.h"
#include "support/unique_fd.h"

namespace mmapdir {

// Directories whose entries have changed since they were last synced, held by descriptor: so they
// may be renamed or removed meanwhile. All methods may be called from any thread.
class DirtyDirectories {
 private:
  struct Directory;

 public:
  // A change being made to a directory, which stays dirty at least until a sync that begins after
  // the end of it. A resource type.
  class Change {
   public:
    Change(Change&&) = default;
    Change& operator=(Change&&) = delete;
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();

    // The directory, open for reading.
    int fd() const;

   private:
    friend class DirtyDirectories;
    Change(DirtyDirectories& owner, std::shared_ptr<Directory> directory);

    DirtyDirectories* owner_;
    std::shared_ptr<Directory> directory_;
  };

  // Remembers at most `capacity` directories on which no change is running.
  explicit DirtyDirectories(std::size_t capacity) : capacity_(capacity) {}

  // To be called before the change is made. May first have to sync the oldest directory to make
  // room, and fails if that fails: nothing has been changed then. `name` is for Errors.
  Result<Change> begin(UniqueFd directory, std::string_view name);

  // Syncs all. Reports the first failure, but tries every one; those that failed stay dirty. That
  // an early sync failed is reported as well, since the kernel tells each failure only once.
  Result<void> sync();

 private:
  struct Directory {
    UniqueFd fd;
    FileIdentity identity;
    std::string name;
    // Guarded by directories_:
    std::size_t changes_running = 0;
    std::uint64_t changes_begun = 0;
    // Guarded by syncing_:
    std::optional<Error> unreported = {};
  };
  using Directories = std::vector<std::shared_ptr<Directory>>;  // the oldest first

  std::optional<Change> begin_if_room(UniqueFd& fd, FileIdentity identity, std::string_view name);
  std::shared_ptr<Directory> oldest_at_rest_if_full(const Directories& directories) const;
  Result<void> make_room();
  Result<void> sync_one(const std::shared_ptr<Directory>& directory);
  void end(Directory& directory);

  const std::size_t capacity_;

  // Held across fsync, but by nothing that could do without: two syncs at a time would share out
  // the one report of a failure that the kernel gives per descriptor. Locked before directories_.
  std::mutex syncing_;
  Guarded<Directories> directories_;
};

}  // namespace mmapdir
