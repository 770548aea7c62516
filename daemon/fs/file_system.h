// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/statvfs.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fs/advice_rules.h"
#include "fs/backing_registry.h"
#include "fs/blocking_waits.h"
#include "fs/caller.h"
#include "fs/directory_cookies.h"
#include "fs/directory_stream.h"
#include "fs/file_locks.h"
#include "fs/files_with_locks.h"
#include "fs/handle_descriptor.h"
#include "fs/handle_table.h"
#include "fs/hold_notice.h"
#include "fs/inode_numbers.h"
#include "fs/inode_table.h"
#include "fs/kept_inodes.h"
#include "fs/late_releases.h"
#include "fs/lock_descriptions.h"
#include "fs/lost_names.h"
#include "fs/open_inode.h"
#include "fs/possible_mappings.h"
#include "fs/recent_changes.h"
#include "fs/source.h"
#include "fs/source_watch.h"
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

  // Whether the inode and its attributes are worth looking up for this name, where a listing asks
  // for them.
  virtual bool wants_entry(const DirectoryEntry& /*name*/) { return true; }

  // `entry` is the inode with its attributes where they were asked for and could be had; its
  // lookup count was raised, which the caller takes back if the answer is false: no room is left.
  virtual bool add(const DirectoryEntry& name, const Entry* entry) = 0;
};

// How regular files are read until told otherwise, and what is kept.
struct FileSystemConfig {
  Access access = Access::kReadOnly;
  // Else the source checks the daemon at each open, as it does where that acts for its own user
  // only.
  bool kernel_checks_permissions = true;
  // kPassthrough falls back to kMapped for an inode that the kernel won't take.
  ReadPath read_path = ReadPath::kMapped;
  // O_PATH descriptors kept for inodes that aren't open.
  std::size_t cached_descriptors = 512;
  // Inodes kept open after their last release, if changes of them are reported.
  std::size_t kept_inodes = 256;
  // For the mappings of files, and for descriptors that are read plainly.
  std::vector<AdviceRule> advice{};
  // Nobody changes the source but by way of this file system: all changes are as good as reported.
  bool owns_source = false;
  // Whether open() tells by its attributes if a file is as the kernel's pages have it; else
  // OpenedFile::keep_pages is false.
  bool checks_versions = true;
  // SELinux isn't on this machine: that a file has no label is answered as if the source couldn't
  // have labels. A program asks no further then (coreutils), rather than for each file.
  bool labels_are_unused = false;
  // A file on a nested mount that forbids executing isn't opened to be executed (EACCES): the
  // kernel knows the flags of the topmost mount only.
  bool keeps_noexec = true;
  // The first node number, which no other mount of this source may have had, and for how many files
  // that the kernel has forgotten file handles stay good.
  InodeTable::Memory memory{};
  // Nothing more is opened for programs (ENFILE) once descriptors reach this number: what is left
  // up to the process's limit is for looking things up, so that closing goes on working.
  int descriptor_limit = std::numeric_limits<int>::max();
};

// How much is held for the kernel at this moment.
struct FileSystemCounts {
  std::size_t inodes;  // that it knows, the root among them
  std::size_t open_inodes;
  std::size_t open_files;
  std::size_t open_directories;
  std::size_t watched_directories = 0;

  bool operator==(const FileSystemCounts&) const = default;
};

// Locks on the source, taken through the mount.
struct LockCounts {
  std::size_t held;
  std::size_t waiting;                 // requests that wait for one
  std::size_t waiting_for_leases = 0;  // requests that wait for others' leases
};

// A regular file that is open, kept open for its next reader, or mapped only. A value.
struct FileFigures {
  SourceIdentity identity;
  // Of now; of a file that is mapped only, and isn't found any more, number and mapped size.
  Attributes attributes;
  SharedFd fd{};                      // open; null where it can't be, or not for reading
  std::optional<std::string> path{};  // from the root; nothing where none is known
  ReadPath read_path;                 // where it is open; else that of its next open
  FileUse use{};
};

// The source directory as a file system: one method for each operation, which knows no transport.
//
// Changes are carried out on the source before they are answered. Permissions have been checked by
// the kernel (or are the daemon's own); what is made belongs to the caller. Errors carry the errno
// that the source gave.
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
  // From here on each directory that becomes known is watched, and those that are known when they
  // are looked up again. The watch is borrowed. While one thread at most serves requests.
  void set_watch(SourceWatch& watch);

  FileSystemCounts counts() const;
  // Each file that is open or kept open, then each that only the mapping cache knows.
  void visit_files(const std::function<void(const FileFigures&)>& visit);
  // Asks the kernel about each description that may hold any.
  LockCounts lock_counts() const;

  // What is watched of the source (file_system_watch.cpp).
  // Whether changes of the file, or of a directory's names, are reported: what is asked of the
  // source afterwards can be kept until then. Of a directory it stays so while it is known.
  bool is_watched(NodeId node) const { return inodes_.is_watched(node); }
  // Those that the kernel knows, and maybe others, by the handle that a report names.
  std::vector<NodeId> nodes_of(std::string_view handle) const { return inodes_.find(handle); }
  std::vector<NodeId> known_nodes() const { return inodes_.nodes(); }
  // Where a lookup of the node may be under way; kNoNode for one that isn't known.
  NodeId parent_of(NodeId node) const { return inodes_.parent_of(node); }
  // Those of open files whose last name is gone.
  std::vector<NodeId> nameless_nodes() const;
  // The file, no directory, was moved on the source: into a directory that is watched, or away.
  void note_move(NodeId file, bool is_watched) { inodes_.set_watched(file, is_watched); }
  // Others have changed the file's bytes on the source.
  void note_byte_change(NodeId file) { recent_changes_.note(file); }
  // Others have closed the file on the source, which they could write, so often.
  void note_closes(NodeId file, std::uint64_t count) { mappings_.note_reports(file, count); }
  // See SourceWatch; at once where nothing is watched.
  void catch_up(std::function<void()> done);
  // Reports were lost: which files are where, or are still there, isn't known any more.
  void distrust_files();
  // The file may be gone: what is kept of it while nobody has it open would keep its blocks.
  void let_go_of_unused(NodeId file);
  // The names by which the nodes were found last.
  std::vector<KnownName> known_names(std::span<const NodeId> nodes) const {
    return inodes_.names_of(nodes);
  }
  bool is_known_as(NodeId node, NodeId directory, std::string_view name) const {
    return inodes_.is_known_as(node, directory, name);
  }
  // Those of which the kernel may know that a name isn't there.
  std::vector<NodeId> directories_with_absences() const;
  // The names that are in a directory of the source now; those that could be read.
  std::vector<std::string> names_in(NodeId directory);
  // The absolute path of the source now; empty where it has none.
  std::string source_path() const { return source_.root_path(); }
  // What the path from the source's root leads to now; kNoNode where the kernel doesn't know it.
  NodeId node_at(const std::string& path) const;
  // File systems inside the source have come or gone: nothing is kept that isn't in use.
  void let_go_of_all_unused();
  // See InodeTable::give_up().
  std::vector<NodeId> give_up_mounts(const std::set<std::uint64_t>& mounts);

  // What is open on a file system inside the source lies there until it is closed; what is only
  // kept, to be found the faster next time, a moment (see InodeTable). From begin_to_hold() on,
  // which comes before the first request; whoever calls it lets go in time.
  Result<void> begin_to_hold();
  HoldNotice& hold_notice() { return hold_notice_; }
  bool is_nested(NodeId node) const { return inodes_.is_nested(node); }
  bool let_go_of_nested(std::chrono::steady_clock::time_point unused_since) {
    return inodes_.let_go_of_nested(unused_since);
  }

  // Those that are open for their next reader only.
  void close_kept_files() { kept_inodes_.drop_all(); }
  // Whether there is such a name now; true where that can't be told.
  bool has_name(NodeId directory, const std::string& name);

  // Closes all that is open on the source, its root too. The last call of all.
  void let_go_of_source();

  // Names (file_system_names.cpp, and file_system_changes.cpp for what changes them).
  // `thread` is the caller's. "." finds a node again that the kernel had forgotten, ".." the
  // directory above one: the kernel asks for these only where it was given a file handle.
  Result<Entry> lookup(NodeId parent, const char* name, pid_t thread = 0);
  void forget(NodeId node, std::uint64_t count);
  Result<std::string> readlink(NodeId node);
  Result<HandleId> opendir(NodeId node);
  // From `cookie`, which is 0 or a DirectoryEntry's `next`, until the sink is full or the directory
  // ends. An error comes only before the first entry.
  Result<void> readdir(HandleId handle, std::uint64_t cookie, DirectorySink& sink);
  Result<void> readdirplus(NodeId node, HandleId handle, std::uint64_t cookie, DirectorySink& sink);
  Result<Entry> mknod(NodeId parent, const char* name, mode_t mode, dev_t device,
                      const Caller& caller);
  Result<Entry> mkdir(NodeId parent, const char* name, mode_t mode, const Caller& caller);
  Result<Entry> symlink(NodeId parent, const char* name, const char* target, const Caller& caller);
  Result<Entry> link(NodeId node, NodeId new_parent, const char* new_name);
  Result<void> unlink(NodeId parent, const char* name);
  Result<void> rmdir(NodeId parent, const char* name);
  Result<void> rename(NodeId parent, const char* name, NodeId new_parent, const char* new_name,
                      unsigned flags, const Caller& caller);
  Result<void> fsyncdir(HandleId handle, bool data_only);
  void releasedir(HandleId handle);

  // Attributes (file_system_attributes.cpp).
  Result<Attributes> getattr(NodeId node);
  // Whether its times may move without anybody's knowing: don't keep its attributes then.
  bool may_be_mapped(NodeId node) const { return mappings_.contains(node); }
  // `handle` is a file's, where the change comes through one. EAGAIN by a lease comes before
  // anything is changed.
  Result<Attributes> setattr(NodeId node, std::optional<HandleId> handle,
                             const AttributeChange& change, const Caller& caller,
                             OnLease on_lease = OnLease::kFail);
  Result<void> access(NodeId node, int mask);
  Result<struct statvfs> statfs(NodeId node);
  // Both answer the length; an empty buffer asks only for that.
  Result<std::size_t> getxattr(NodeId node, const char* name, std::span<char> value);
  Result<std::size_t> listxattr(NodeId node, std::span<char> names,
                                XattrNames which = XattrNames::kAll);
  Result<void> setxattr(NodeId node, const char* name, std::span<const char> value, int flags,
                        const Caller& caller);
  Result<void> removexattr(NodeId node, const char* name);

  // Files (file_system_files.cpp).
  Result<OpenedFile> open(NodeId node, int flags, const Caller& caller,
                          OnLease on_lease = OnLease::kFail);
  // ESTALE where the name has come into being meanwhile: the kernel looks it up again, and checks.
  Result<CreatedFile> create(NodeId parent, const char* name, mode_t mode, int flags,
                             const Caller& caller);
  Result<CreatedFile> tmpfile(NodeId parent, mode_t mode, int flags, const Caller& caller);
  Result<ReadView> read(HandleId handle, std::uint64_t offset, std::size_t length,
                        std::vector<std::byte>& scratch);
  // How much was written; an error only where nothing was. No caller: the kernel writes its pages
  // back, which is done in the name of who opened the handle.
  Result<std::size_t> write(HandleId handle, std::uint64_t offset, std::span<const std::byte> bytes,
                            WriteMode mode, const std::optional<Caller>& caller);
  Result<void> fallocate(HandleId handle, int mode, off_t offset, off_t length,
                         const Caller& caller);
  Result<std::size_t> copy_file_range(HandleId from, off_t from_offset, HandleId to,
                                      off_t to_offset, std::size_t length, const Caller& caller);
  // The requests of chattr and lsattr: FS_IOC_GETFLAGS, SETFLAGS, FSGETXATTR, FSSETXATTR; ENOTTY
  // for all others.
  Result<void> ioctl(HandleId handle, bool is_directory, unsigned command, std::span<const char> in,
                     std::span<char> out);
  // What a close would report. Gives back the record locks of the process that closes.
  Result<void> flush(HandleId handle, LockOwner owner);
  Result<off_t> lseek(HandleId handle, off_t offset, int whence);
  Result<void> fsync(HandleId handle, bool data_only);
  void release(HandleId handle);

  // Locks (file_system_locks.cpp). Those that don't wait answer EAGAIN where another lock is in the
  // way; what waits is handed out, for waits() to run. So is what is tried a second time,
  // where the lock that was in the way may be one that its holder has given back by closing the
  // file, but whose release hasn't come yet: empty elsewhere.
  Result<void> set_record_lock(HandleId handle, LockOwner owner, const struct flock& lock);
  Result<BlockingWaits::Attempt> wait_for_record_lock(HandleId handle, LockOwner owner,
                                                      const struct flock& lock);
  Result<struct flock> find_record_lock(HandleId handle, LockOwner owner, const struct flock& lock);
  Result<void> set_flock(HandleId handle, int operation);
  Result<BlockingWaits::Attempt> wait_for_flock(HandleId handle, int operation);
  BlockingWaits::Attempt retry_record_lock(HandleId handle, LockOwner owner,
                                           const struct flock& lock);
  BlockingWaits::Attempt retry_flock(HandleId handle, int operation);
  // For these and for what is called with OnLease::kWait.
  BlockingWaits& waits() { return waits_; }

  // Who has just taken a lock must not read pages that are older. Nothing, where those that the
  // kernel may keep are the file's present ones (in passthrough it keeps none): else the version
  // for note_pages(), to be told once they were dropped.
  std::optional<std::uint64_t> version_of_outdated_pages(HandleId handle);
  void note_pages(HandleId handle, std::uint64_t version);

 private:
  struct OpenFile {
    OpenFile(NodeId its_node, std::shared_ptr<OpenInode> its_inode, SharedFd its_fd, int its_flags,
             const Caller& its_opener, bool it_appends_only, bool it_may_be_mapped,
             bool it_tells_closes)
        : node(its_node),
          inode(std::move(its_inode)),
          descriptor(std::move(its_fd), its_flags),
          flags(its_flags),
          opener(its_opener),
          appends_only(it_appends_only),
          may_be_mapped(it_may_be_mapped),
          tells_closes(it_tells_closes),
          seen_failed_syncs(inode->failed_syncs().count) {
      inode->note_open();
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() { inode->note_close(); }

    bool may_write() const { return (flags & O_ACCMODE) != O_RDONLY; }

    const NodeId node;
    const std::shared_ptr<OpenInode> inode;
    HandleDescriptor descriptor;  // the inode's, where that serves
    const int flags;              // of the open
    const Caller opener;
    const bool appends_only;   // the source lets nobody take O_APPEND back (chattr +a)
    const bool may_be_mapped;  // for writing, in passthrough
    const bool tells_closes;   // see OpenedFile::needs_flush
    std::atomic<std::uint64_t> seen_failed_syncs;  // as OpenInode counts them
    mmapdir::MappingRef mapping;  // what was read last; guarded by the lock of files_
    // Holds the handle's flock, if it ever took one: the descriptor may be shared by several
    // handles.
    mmapdir::Guarded<SharedFd> flock_description;
    // Who took record locks by way of this handle. A process gives its own back at each close; what
    // is left at the last one are locks of the open file description itself (F_OFD_SETLK), and
    // those of closes that the daemon isn't told of (see OpenedFile::needs_flush).
    mmapdir::Guarded<std::set<LockOwner>> lock_owners;
  };

  struct OpenDirectory : DirectoryStream {
    OpenDirectory(NodeId its_node, UniqueFd its_fd, dev_t device,
                  std::shared_ptr<DirectoryCookies> cookies)
        : DirectoryStream(std::move(its_fd), device, std::move(cookies)), node(its_node) {}

    const NodeId node;
  };

  struct WatchedDirectory {
    NodeId node;
    Locator locator;
  };

  FileSystem(Source source, const Attributes& root, const FileSystemConfig& config,
             mmapdir::MappingCache& cache, BackingRegistry& backings);

  // Keeps a place below the limit while the file is being reached: give it up (reset) right before
  // opening for the program.
  Result<UniqueFd> hold_place_for_descriptor();
  Result<SharedFd> reach(NodeId node);
  Result<SharedFd> reach_for_name(NodeId parent, const char* name);
  template <class Make>
  Result<Entry> make_entry(NodeId parent, const char* name, mode_t mode, const Caller& caller,
                           Make make);
  void complete(Entry& entry);
  void show(Attributes& attributes);
  void visit_mapped_files(const std::unordered_set<SourceIdentity>& but,
                          const std::function<void(const FileFigures&)>& visit);
  void find_again(const std::string& path, FileFigures& figures) const;
  Result<SharedFd> flock_description(OpenFile& file, HandleId handle);
  Result<void> prepare_record_lock(OpenFile& file, HandleId handle, LockOwner owner);
  BlockingWaits::Attempt retry_after_releases(NodeId node, BlockingWaits::Attempt attempt);
  void note_request(const OpenFile& file, HandleId handle);
  void note_lock(const OpenFile& file, HandleId handle);
  void note_close(OpenFile& file, HandleId handle, LockOwner owner);
  int errno_of_missing(std::string_view name, int errnum) const;
  Result<void> truncate(int path_fd, std::optional<HandleId> handle, off_t size, OnLease on_lease);
  Result<CreatedFile> add_created(NodeId parent, const char* name, UniqueFd created, int flags,
                                  const Caller& caller);
  Result<SharedFd> reach_to_open(NodeId node, const Caller& caller);
  bool is_known_by_lost_name(NodeId node, int fd, bool is_open, const Caller& caller);
  void tell_lost_name(NodeId node, const Caller& caller);
  void let_go_of_lost(NodeId file);
  Result<OpenedFile> add_file(NodeId node, SharedFd fd, int flags, const Caller& caller);
  std::shared_ptr<OpenInode> create_open_inode(SharedFd fd, int flags, const Caller& opener);
  void keep(NodeId node, const std::shared_ptr<OpenInode>& inode);
  std::optional<SourceIdentity> nested_identity(int fd) const;
  mmapdir::Advice advice_of(int fd) const;
  Result<Entry> entry_of(NodeId directory, int directory_fd, const char* name);
  Result<Entry> find_by_handle(NodeId node, std::string_view name);
  Result<Entry> entry_held(NodeId directory, int directory_fd, const char* name);
  void watch(Entry& entry);
  bool watch_directory(NodeId node, const SourceIdentity& identity, int fd);
  void unwatch_directory(NodeId node, const SourceIdentity& identity);

  // Constant once requests are served.
  Source source_;
  ReadPath read_path_;
  const Access access_;
  const bool kernel_checks_permissions_;
  const int descriptor_limit_;
  const bool owns_source_;
  const bool checks_versions_;
  const std::vector<AdviceRule> advice_;
  const bool labels_are_unused_;
  const bool keeps_noexec_;
  mmapdir::MappingCache& cache_;
  BackingRegistry& backings_;
  SourceWatch* watch_ = nullptr;  // none: nothing is reported

  // With synchronisation of their own. Open inodes go before the table that leads to them.
  HoldNotice hold_notice_;
  InodeNumbers numbers_;
  InodeTable inodes_;
  LostNames lost_names_;
  RecentChanges recent_changes_;
  PossibleMappings mappings_;
  OpenInodes open_inodes_;
  KeptInodes kept_inodes_;
  HandleTable<OpenFile> files_;
  LockDescriptions flock_descriptions_;
  FileLocks locks_;
  FilesWithLocks files_with_locks_;
  LateReleases late_releases_;
  BlockingWaits waits_;
  HandleTable<OpenDirectory> directories_;
  CookiesOfDirectories cookies_;
  // Locked while a directory begins or ceases to be watched, and the table is told so.
  mutable mmapdir::Guarded<std::unordered_map<SourceIdentity, WatchedDirectory>> watched_;
};

}  // namespace mmapdirfs
