// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fs/backing_registry.h"
#include "fs/caller.h"
#include "fs/types.h"
#include "mmapdir/advice.h"
#include "mmapdir/mapping_cache.h"
#include "support/guarded.h"
#include "support/keyed_mutex.h"

namespace mmapdirfs {

// How often a file is open, and what was read of it since it was opened first. A value.
struct FileUse {
  std::uint64_t opens = 0;
  std::uint64_t reads = 0;
  std::uint64_t read_bytes = 0;
};

// A regular file that is open at least once: the read path and registration that all its handles
// share, and a descriptor that every open for reading shares too if it can. The path can't change
// while any handle is left: the kernel answers EIO to an inode opened in two ways at once.
//
// With a file on a file system inside the source goes what the cache has mapped of it: nobody could
// unmount that.
//
// A resource type. Any thread may call.
class OpenInode {
 public:
  // `access_mode`: O_RDONLY, O_WRONLY or O_RDWR, of its first open. `fd` should only read, where it
  // can be had so. `nested`: the identity of a file that isn't on the mount of the source's root.
  // `advice` is given for the file's mappings.
  OpenInode(SharedFd fd, int access_mode, ReadPath path, Backing backing, const Caller& opener,
            mmapdir::MappingCache& cache, std::optional<SourceIdentity> nested = std::nullopt,
            mmapdir::Advice advice = mmapdir::Advice::kNormal)
      : fd_(std::move(fd)),
        is_readable_((::fcntl(fd_->get(), F_GETFL) & O_ACCMODE) != O_WRONLY),
        access_mode_(access_mode),
        opener_(opener),
        path_(path),
        backing_(std::move(backing)),
        cache_(cache),
        nested_(nested),
        advice_(advice) {}
  OpenInode(const OpenInode&) = delete;
  OpenInode& operator=(const OpenInode&) = delete;
  ~OpenInode();

  const SharedFd& fd() const { return fd_; }
  bool is_nested() const { return nested_.has_value(); }
  bool is_readable() const { return is_readable_; }
  // Whether its first open, by whose rights the rest was made, was for reading.
  bool only_reads() const { return access_mode_ == O_RDONLY; }
  bool was_opened_by(const Caller& caller) const {
    return caller.uid == opener_.uid && caller.gid == opener_.gid;
  }
  ReadPath path() const { return path_; }
  BackingId backing() const { return backing_.id(); }

  // Syncs of fd() that failed. The kernel tells each descriptor once of writes that were lost; by
  // this every handle that shares the descriptor learns of them.
  struct FailedSyncs {
    std::uint64_t count = 0;
    int last_errnum = 0;
  };
  FailedSyncs failed_syncs() const { return *failed_syncs_.lock(); }
  FailedSyncs note_failed_sync(int errnum);

  // How it is used. Reads are those that come here; in the passthrough path there are none.
  FileUse use() const {
    return {.opens = opens_.load(std::memory_order_relaxed),
            .reads = reads_.load(std::memory_order_relaxed),
            .read_bytes = read_bytes_.load(std::memory_order_relaxed)};
  }
  void note_open() { opens_.fetch_add(1, std::memory_order_relaxed); }
  void note_close() { opens_.fetch_sub(1, std::memory_order_relaxed); }
  void note_read(std::size_t bytes) {
    reads_.fetch_add(1, std::memory_order_relaxed);
    read_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  // The file's version (see fs/file_version.h) when the kernel last dropped its pages while the
  // file was open: those that it has now are no older. Zero where that can't be told.
  std::uint64_t pages_version() const { return pages_version_; }
  void set_pages_version(std::uint64_t version) { pages_version_ = version; }

  // Up to `length` bytes from `offset`, by way of `fd`, a descriptor of this file; fewer at the end
  // of the file as it is now. `mapping` is one of the file's that the caller has, or null; it is
  // replaced where it doesn't serve. `scratch` is filled where no mapping is to be had, and must
  // then outlive the view.
  //
  // HAZARD: mapped bytes can vanish (see mmapdir::Mapping): hand them to the kernel to copy, or
  // copy them under mmapdir::guarded_copy.
  Result<ReadView> read(int fd, std::uint64_t offset, std::size_t length,
                        mmapdir::MappingRef& mapping, std::vector<std::byte>& scratch) const;

 private:
  void advise(const mmapdir::Mapping& mapping) const;
  bool reaches(mmapdir::MappingRef& mapping, int fd, std::uint64_t end) const;

  const SharedFd fd_;
  const bool is_readable_;
  const int access_mode_;
  const Caller opener_;
  const ReadPath path_;
  const Backing backing_;
  mmapdir::MappingCache& cache_;
  const std::optional<SourceIdentity> nested_;
  const mmapdir::Advice advice_;
  mutable mmapdir::Guarded<FailedSyncs> failed_syncs_;
  std::atomic<std::uint64_t> pages_version_ = 0;
  std::atomic<std::uint64_t> opens_ = 0;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> read_bytes_ = 0;
};

// The inodes that are open. Any thread may call; concurrent first opens of one inode make one
// OpenInode, and no lock but that inode's own is held while it is made.
class OpenInodes {
 public:
  // The open inode of `node`, made by `create` (-> std::shared_ptr<OpenInode>) if there is none.
  template <class Create>
  std::shared_ptr<OpenInode> open(NodeId node, Create create) {
    if (auto known = find(node)) {
      return known;
    }
    const auto turn = creating_.lock(node);
    if (auto known = find(node)) {  // made by the thread whose turn it was before
      return known;
    }
    auto created = create();
    inodes_.lock()->insert_or_assign(node, created);
    return created;
  }

  // Null where `node` isn't open.
  std::shared_ptr<OpenInode> find(NodeId node) const;

  // The descriptors of all of them.
  std::vector<std::pair<NodeId, SharedFd>> descriptors() const;

  // All of them. Call prune() for each once it is given up.
  std::vector<std::pair<NodeId, std::shared_ptr<OpenInode>>> all() const;

  // Forgets `node` if its last handle is gone. Call after dropping a handle.
  void prune(NodeId node);

  std::size_t size() const;

 private:
  // Lock order: a node's turn, then the table.
  mmapdir::KeyedMutex<NodeId> creating_;
  mutable mmapdir::Guarded<std::unordered_map<NodeId, std::weak_ptr<OpenInode>>> inodes_;
};

}  // namespace mmapdirfs
