// SPDX-License-Identifier: MIT
#pragma once

#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fs/backing_registry.h"
#include "fs/directory_stream.h"
#include "fs/handle_table.h"
#include "fs/inode_numbers.h"
#include "fs/inode_table.h"
#include "fs/open_inode.h"
#include "fs/source.h"
#include "fs/types.h"
#include "mmapdir/mapping_cache.h"

namespace mmapdirfs {

// What a listing is written into.
class DirectorySink {
 public:
  DirectorySink() = default;
  DirectorySink(const DirectorySink&) = delete;
  DirectorySink& operator=(const DirectorySink&) = delete;
  virtual ~DirectorySink() = default;

  // `entry` is the inode with its attributes where they were asked for and could be had; its
  // lookup count was raised, which the caller takes back if the answer is false: no room is left.
  virtual bool add(const DirectoryEntry& name, const Entry* entry) = 0;
};

// How regular files are read until told otherwise, and what is kept.
struct FileSystemConfig {
  // kPassthrough falls back to kMapped for an inode that the kernel won't take.
  ReadPath read_path = ReadPath::kMapped;
  // O_PATH descriptors kept for inodes that aren't open.
  std::size_t cached_descriptors = 512;
};

// How much is held for the kernel at this moment.
struct FileSystemCounts {
  std::size_t inodes;  // that it knows, the root among them
  std::size_t open_inodes;
  std::size_t open_files;
  std::size_t open_directories;

  bool operator==(const FileSystemCounts&) const = default;
};

// The source directory as a file system: one method for each operation, which knows no transport.
//
// Read-only: a changing open is refused with EROFS. Errors carry the errno that the source gave.
// Ownership: borrows the mapping cache and the registry, which must outlive it. Any thread may call
// any method; no lock is held across a system call that can block, but an opened inode's own.
class FileSystem {
 public:
  static Result<std::unique_ptr<FileSystem>> create(UniqueFd root, const FileSystemConfig& config,
                                                    mmapdir::MappingCache& cache,
                                                    BackingRegistry& backings);

  // Set-up, before the first request (passthrough is known only once the kernel was asked).
  void set_read_path(ReadPath path) { read_path_ = path; }
  void refuse_device(dev_t device) { source_.refuse_device(device); }
  bool has_handles() const { return source_.has_handles(); }

  FileSystemCounts counts() const;

  // Names (file_system_names.cpp).
  Result<Entry> lookup(NodeId parent, const char* name);
  void forget(NodeId node, std::uint64_t count);
  Result<std::string> readlink(NodeId node);
  Result<HandleId> opendir(NodeId node);
  // From `cookie`, which is 0 or a DirectoryEntry's `next`, until the sink is full or the directory
  // ends. An error comes only before the first entry.
  Result<void> readdir(HandleId handle, std::uint64_t cookie, DirectorySink& sink);
  Result<void> readdirplus(NodeId node, HandleId handle, std::uint64_t cookie, DirectorySink& sink);
  Result<void> fsyncdir(HandleId handle, bool data_only);
  void releasedir(HandleId handle);

  // Attributes (file_system_attributes.cpp).
  Result<Attributes> getattr(NodeId node);
  Result<void> access(NodeId node, int mask);
  Result<struct statvfs> statfs(NodeId node);
  // Both answer the length; an empty buffer asks only for that.
  Result<std::size_t> getxattr(NodeId node, const char* name, std::span<char> value);
  Result<std::size_t> listxattr(NodeId node, std::span<char> names,
                                XattrNames which = XattrNames::kAll);

  // Files (file_system_files.cpp).
  Result<OpenedFile> open(NodeId node, int flags);
  Result<ReadView> read(HandleId handle, std::uint64_t offset, std::size_t length,
                        std::vector<std::byte>& scratch);
  Result<off_t> lseek(HandleId handle, off_t offset, int whence);
  Result<void> fsync(HandleId handle, bool data_only);
  void release(HandleId handle);

 private:
  struct OpenFile {
    NodeId node;
    std::shared_ptr<OpenInode> inode;
  };

  FileSystem(Source source, const Attributes& root, const FileSystemConfig& config,
             mmapdir::MappingCache& cache, BackingRegistry& backings);

  Result<SharedFd> reach(NodeId node);
  void show(Attributes& attributes);
  Result<std::shared_ptr<OpenInode>> create_open_inode(NodeId node);
  Result<Entry> entry_of(NodeId directory, int directory_fd, const char* name);

  // Constant once requests are served.
  Source source_;
  ReadPath read_path_;
  mmapdir::MappingCache& cache_;
  BackingRegistry& backings_;

  // With synchronisation of their own. Open inodes go before the table that leads to them.
  InodeNumbers numbers_;
  InodeTable inodes_;
  OpenInodes open_inodes_;
  HandleTable<OpenFile> files_;
  HandleTable<DirectoryStream> directories_;
};

}  // namespace mmapdirfs
