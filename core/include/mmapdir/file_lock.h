// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace mmapdir {

// What a FileLock keeps others from.
enum class LockMode {
  kShared,     // from locking exclusively
  kExclusive,  // from locking at all
};

// A lock that is held: see DirectoryWriter::lock(). Released by its destructor; the lock file
// stays. A resource type: it moves and doesn't copy. Any thread may hold and destroy it. It may
// outlive the Directory.
class FileLock {
 public:
  // `held` is what releases the lock when it goes.
  explicit FileLock(std::shared_ptr<const void> held) : held_(std::move(held)) {}

  FileLock(FileLock&&) = default;
  FileLock& operator=(FileLock&&) = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() = default;

 private:
  std::shared_ptr<const void> held_;
};

}  // namespace mmapdir
