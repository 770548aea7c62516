// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "dirty_directories.h"
#include "mmapdir/file_lock.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"
#include "temporary_file.h"

namespace mmapdir {

// The writing half of MmapDirectory: DirectoryWriter's methods beneath a descriptor. All methods
// may be called from any thread.
class DirectoryChanger {
 public:
  // `root` is borrowed and must outlive this.
  explicit DirectoryChanger(int root) : root_(root), dirty_(kMaxDirtyDirectories) {}

  Result<void> write(const RelativePath& path, std::span<const std::byte> bytes);

  // What is to become `path`, and its becoming so. It fits no other path.
  Result<TemporaryFile> create(const RelativePath& path);
  Result<void> commit(TemporaryFile& file, const RelativePath& path);

  Result<void> remove(const RelativePath& path);
  Result<void> rename(const RelativePath& from, const RelativePath& to);
  Result<void> link(const RelativePath& from, const RelativePath& to);
  Result<FileLock> lock(const RelativePath& path, LockMode mode);
  Result<void> sync() { return dirty_.sync(); }

 private:
  // Each holds a descriptor; mmap_directory.h tells users of the number.
  static constexpr std::size_t kMaxDirtyDirectories = 64;

  Result<UniqueFd> open_making_missing(const RelativePath& directory);
  Result<DirtyDirectories::Change> begin_change(const RelativePath& directory);
  Result<void> make_missing(const RelativePath& directory);
  Result<void> make(const RelativePath& directory);
  bool is_missing(const RelativePath& path) const;

  const int root_;
  DirtyDirectories dirty_;
};

}  // namespace mmapdir
