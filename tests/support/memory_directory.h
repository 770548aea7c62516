// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "mmapdir/directory.h"
#include "support/guarded.h"

namespace mmapdir::test {

// A DirectoryWriter that keeps everything in memory: for tests of what works on any Directory, and
// to show that the contract is the interface's. It has no symbolic links and no special files.
//
// A copy shares the content. All methods may be called from any thread.
class MemoryDirectory final : public DirectoryWriter {
 public:
  MemoryDirectory();

  // DirectoryWriter has no way to make an empty directory, so tests do it here.
  void make_directory(const RelativePath& path);

  void clear_cache() override {}
  Result<bool> exists(const RelativePath& path) const override;
  Result<std::uint64_t> file_size(const RelativePath& path) const override;
  Result<FileSlice> open_read(const RelativePath& path) const override;
  Result<LazyFileHandle> open_lazy(const RelativePath& path) const override;
  Result<OwnedBytes> read_range(const RelativePath& path, ByteRange range) const override;
  Result<std::vector<RelativePath>> list_files(const RelativePath& directory) const override;

  Result<void> write(const RelativePath& path, std::span<const std::byte> bytes) override;
  Result<FileWriter> create(const RelativePath& path) override;
  Result<void> remove(const RelativePath& path) override;
  Result<void> rename(const RelativePath& from, const RelativePath& to) override;
  // Nobody can tell links from copies here: a file is only ever replaced whole.
  Result<void> link(const RelativePath& from, const RelativePath& to) override;
  // Bound to the name, not to the file.
  Result<FileLock> lock(const RelativePath& path, LockMode mode) override;
  Result<void> sync() override { return {}; }

 private:
  struct Locks {
    int shared = 0;
    bool exclusive = false;
  };
  struct Tree {
    std::map<RelativePath, OwnedBytes> files;
    std::set<RelativePath> directories{RelativePath()};
    std::map<RelativePath, Locks> locks;

    // ENOENT or ENOTDIR when it isn't one.
    Result<void> check_directory(const RelativePath& path) const;
    Result<OwnedBytes> find_file(const RelativePath& path) const;
    // Makes the parents; EISDIR or ENOTDIR when it can't be.
    Result<void> make_fit_for_file(const RelativePath& path);
  };

  std::shared_ptr<Guarded<Tree>> tree_;
};

}  // namespace mmapdir::test
