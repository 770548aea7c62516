// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <variant>
#include <vector>

#include "mmapdir/advice.h"
#include "mmapdir/directory.h"
#include "mmapdir/hot_set.h"
#include "mmapdir/mapping_cache.h"
#include "mmapdir/path_pattern.h"
#include "mmapdir/pins.h"
#include "mmapdir/residency.h"
#include "mmapdir/warm.h"

namespace mmapdir {

struct MmapDirectoryOptions {
  // The bounds of a cache of its own, or a cache to be shared. Programs that open several
  // directories do well to share one, since address space and vm.max_map_count are the process's.
  std::variant<MappingLimits, std::shared_ptr<MappingCache>> mappings =
      MappingLimits::from_system();
};

// A directory of the file system, read through memory mappings and written by ordinary file I/O.
//
// Opening a file maps it, or finds it mapped; reading an open FileSlice then is a view without a
// system call. Where no mapping is to be had (bounds reached, no memory, a file system without
// mmap) the file is read by pread instead.
//
// Everything is resolved beneath the root, by openat2 with RESOLVE_BENEATH (Linux 5.6): "..",
// absolute paths and symbolic links can't leave it, also not while somebody moves directories
// about. The root itself is held open; renaming it doesn't matter. A path longer than PATH_MAX is
// resolved in parts, each beneath the one before.
//
// A copy costs a reference count and shares everything: root, cache, and what sync() is for.
class MmapDirectory final : public DirectoryWriter {
 public:
  // Opens the existing directory `root`, through symbolic links if there are any.
  static Result<MmapDirectory> open(const std::filesystem::path& root,
                                    MmapDirectoryOptions options = {});

  void clear_cache() override;
  Result<bool> exists(const RelativePath& path) const override;
  Result<std::uint64_t> file_size(const RelativePath& path) const override;
  Result<FileSlice> open_read(const RelativePath& path) const override;
  Result<LazyFileHandle> open_lazy(const RelativePath& path) const override;
  Result<OwnedBytes> read_range(const RelativePath& path, ByteRange range) const override;
  Result<std::vector<RelativePath>> list_files(const RelativePath& directory) const override;

  // `bytes` may be a mapped file's: when that is truncated meanwhile, the write fails (EFAULT).
  Result<void> write(const RelativePath& path, std::span<const std::byte> bytes) override;

  // The writer holds two descriptors: the file's and its directory's. Its commit() needs no further
  // one (for a path longer than PATH_MAX, one), as it closes the file before it opens the directory
  // again, to see that it is the same.
  Result<FileWriter> create(const RelativePath& path) override;
  Result<void> remove(const RelativePath& path) override;
  Result<void> rename(const RelativePath& from, const RelativePath& to) override;
  Result<void> link(const RelativePath& from, const RelativePath& to) override;

  // An open file description lock (F_OFD_SETLK of fcntl(2)) on the whole file. It excludes, and is
  // excluded by, every other lock of that kind and every record lock (F_SETLK, lockf): so those of
  // Lucene's NativeFSLockFactory, LevelDB, RocksDB, LMDB, SQLite and Xapian. It knows nothing of
  // flock(2) on local file systems, so nothing of tantivy's locks.
  //
  // Unlike a record lock it isn't lost when something else in the process opens and closes the
  // file. It ends with its last descriptor: a child that was forked meanwhile, and goes on without
  // exec, holds it until it ends itself. Over NFS it is the server's to grant, and lost when the
  // server forgets the client.
  //
  // Holds one descriptor. An exclusive lock needs the permission to write the file, a shared one
  // the permission to read it. Errors also: ELOOP for a symbolic link, EISDIR, EOPNOTSUPP for a
  // special file, ENOLCK where the file system has no locks.
  Result<FileLock> lock(const RelativePath& path, LockMode mode) override;

  // Costs one fsync per directory changed since the last call. Of these at most 64 are remembered,
  // each with a descriptor; a change in one more first syncs the oldest, and fails if that fails.
  Result<void> sync() override;

  // What of the file is in memory: see residency_of().
  Result<Residency> residency(const RelativePath& path, std::size_t max_cells = 1) const;

  // How a part of the file will be read: see advise() for mappings. Concerns everyone who shares
  // the cache, and lasts as long as the file stays mapped: hold a FileSlice to be sure. Errors
  // also: those of MappingCache::acquire().
  Result<void> advise(const RelativePath& path, ByteRange range, Advice advice) const;

  // How files that match the pattern will be read, from the next time that they are mapped on; of
  // several patterns that match a file, the one given last counts. Without one it is
  // Advice::kNormal. Errors: those of PathPattern::compile().
  Result<void> advise_pattern(std::string_view pattern, Advice advice);

  // Begins to read a part of the file into memory, and doesn't wait for it. Errors also: EINVAL
  // when the range reaches beyond the end.
  Result<void> prefetch(const RelativePath& path, ByteRange range) const;

  // Reads files into memory: see mmapdir::warm().
  Result<WarmReport> warm(std::vector<PathPattern> patterns, const WarmOptions& options = {},
                          const WarmProgressCallback& progress = {},
                          const std::stop_token& stop = {}) const;

  // Keeps files in memory, as long as this directory or a copy of it lives: see Pins. What is
  // written, renamed or removed through this object isn't told to it: call update().
  Pins& pins() const;

  // What is in memory now, for the next start: see mmapdir::save_hot_set() and load_hot_set().
  Result<HotSetSaved> save_hot_set(const std::filesystem::path& file,
                                   const std::stop_token& stop = {}) const;
  Result<HotSetLoaded> load_hot_set(const std::filesystem::path& file,
                                    const WarmOptions& options = {},
                                    const WarmProgressCallback& progress = {},
                                    const std::stop_token& stop = {}) const;

  // The cache that the files are mapped through: for sharing it, and for its counters.
  const std::shared_ptr<MappingCache>& mapping_cache() const;

 private:
  struct State;
  explicit MmapDirectory(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
};

}  // namespace mmapdir
