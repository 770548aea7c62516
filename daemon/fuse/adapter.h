// SPDX-License-Identifier: MIT
#pragma once

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 17)
#include <fuse_lowlevel.h>

#include <atomic>
#include <chrono>
#include <functional>

#include "cache_policy.h"
#include "fs/attribute_demand.h"
#include "fs/file_system.h"
#include "fs/node_handles.h"
#include "fuse/running_operation.h"

namespace mmapdirfs {

class ControlAdapter;
class Invalidator;

// What the kernel and the daemon agree on at INIT.
struct Negotiation {
  bool want_passthrough = false;
  // The kernel checks modes, owners and POSIX ACLs itself, for callers other than the daemon.
  bool want_posix_acl = false;
  // Stacked file systems that may lie beneath a passthrough file: 1 for a source on overlayfs or
  // another FUSE, else 0, so that the mount itself may be stacked on (the kernel's limit is 2).
  unsigned backing_stack_depth = 0;
  Access access = Access::kReadOnly;
  // The kernel opens files (and directories, see opendir()) without asking, and keeps locks to
  // itself. Right only where nobody else writes the source: else a file that was deleted there
  // while a program has it open would be gone, and nobody would be told of locks or give them back.
  bool opens_without_message = false;
  // The mount may be seen through idmapped mounts of it: requests don't tell who makes them.
  bool maps_ids = false;
};

// What the kernel turned out to have.
struct KernelFeatures {
  bool passthrough = false;
  bool direct_io_mmap = false;
};

// Between libfuse and the file system: each operation is call, match, reply. Nothing else replies,
// so each request is answered exactly once, and no lock is held then.
//
// Reading is in adapter.cpp, what changes the source in adapter_changes.cpp, locks in
// adapter_locks.cpp, waiting in adapter_waits.cpp; the control directory has an adapter of its own
// (adapter_control.h).
//
// Borrows the file system and the invalidator. libfuse calls it from many threads at once.
class Adapter {
 public:
  Adapter(FileSystem& fs, Invalidator& invalidator, CachePolicy policy, Negotiation negotiation)
      : fs_(fs),
        invalidator_(invalidator),
        policy_(policy),
        negotiation_(negotiation),
        node_handles_(fs, kNodeHandles) {}

  // The operations, for fuse_session_new with this object as the user data. The one place where
  // they are named, and the wall where exceptions end (operations.cpp).
  fuse_lowlevel_ops operations() const;

  // Where requests about the control directory go, whose adapter is borrowed; null: there is none.
  // Before any request.
  void set_control(ControlAdapter& control) { control_ = &control; }
  ControlAdapter* control() const { return control_; }

  // See NodeHandles.
  bool let_go_of_nested(std::chrono::steady_clock::time_point unused_since) {
    return node_handles_.let_go_of_nested(unused_since);
  }

  bool maps_ids() const { return negotiation_.maps_ids; }

  // Known once INIT was answered.
  const KernelFeatures& features() const { return features_; }

 private:
  void init(fuse_conn_info& connection);
  void lookup(fuse_req_t req, fuse_ino_t parent, const char* name);
  void forget(fuse_req_t req, fuse_ino_t node, std::uint64_t count);
  void forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets);
  void getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void setattr(fuse_req_t req, fuse_ino_t node, struct stat* values, int which,
               fuse_file_info* info);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  void statx(fuse_req_t req, fuse_ino_t node, int flags, int mask, fuse_file_info* info);
#endif
  void access(fuse_req_t req, fuse_ino_t node, int mask);
  void readlink(fuse_req_t req, fuse_ino_t node);
  void mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device);
  void mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode);
  void symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name);
  void link(fuse_req_t req, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name);
  void unlink(fuse_req_t req, fuse_ino_t parent, const char* name);
  void rmdir(fuse_req_t req, fuse_ino_t parent, const char* name);
  void rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
              const char* new_name, unsigned flags);
  void open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
              fuse_file_info* info);
  void tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info* info);
  void write(fuse_req_t req, fuse_ino_t node, const char* bytes, std::size_t size, off_t offset,
             fuse_file_info* info);
  void fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t length,
                 fuse_file_info* info);
  void copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_offset,
                       fuse_file_info* from_info, fuse_ino_t to, off_t to_offset,
                       fuse_file_info* to_info, std::size_t length, int flags);
  void flush(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void* argument,
             fuse_file_info* info, unsigned flags, const void* in, std::size_t in_size,
             std::size_t out_size);
  void read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* info);
  void lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence, fuse_file_info* info);
  void fsync(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info);
  void release(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void readdir(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
               fuse_file_info* info);
  void readdirplus(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                   fuse_file_info* info);
  void list(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
            const fuse_file_info* info, bool with_entries);
  void fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info);
  void releasedir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void statfs(fuse_req_t req, fuse_ino_t node);
  void getxattr(fuse_req_t req, fuse_ino_t node, const char* name, std::size_t size);
  void listxattr(fuse_req_t req, fuse_ino_t node, std::size_t size);
  void setxattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value,
                std::size_t size, int flags);
  void removexattr(fuse_req_t req, fuse_ino_t node, const char* name);

  void getlk(fuse_req_t req, fuse_ino_t node, fuse_file_info* info, struct flock* lock);
  void setlk(fuse_req_t req, fuse_ino_t node, fuse_file_info* info, struct flock* lock, int sleep);
  void flock(fuse_req_t req, fuse_ino_t node, fuse_file_info* info, int operation);

  // What a request is about: the handle that it carries or, where opens send no message, the
  // node's own, which is held meanwhile; null otherwise.
  struct UsedHandle {
    HandleId id;
    NodeHandles::Shared owner;
  };
  Result<UsedHandle> file_of(fuse_ino_t node, const fuse_file_info* info);
  Result<UsedHandle> directory_of(fuse_ino_t node, const fuse_file_info* info);
  static Result<UsedHandle> used(Result<NodeHandles::Shared> opened);
  bool leaves_opendir_out() const;
  bool is_gone(NodeId node, const Error& error);
  void note_refused_open(const Error& error);
  void note_listing(NodeId node, bool is_watched, bool is_at_end);

  struct LockRequest {
    fuse_req_t req;
    PostponedOperation operation;
    fuse_ino_t node;
    HandleId handle;
    bool takes;  // rather than gives back
  };
  // What is done about a lock that can't be had at once; empty where that is the answer.
  using Postponed = std::function<Result<BlockingWaits::Attempt>()>;
  void answer_lock(const LockRequest& request, const Result<void>& tried,
                   const Postponed& postponed);
  void reply_lock(const LockRequest& request, const Result<void>& result);
  void reply_taken(const LockRequest& request);
  static void reply_last(const LockRequest& request, const Result<void>& result);

  // Starts a thread that calls `attempt`, which may block, and then `done` with its result. A
  // signal to the caller ends the attempt with EINTR.
  void begin_wait(fuse_req_t req, WaitKind kind, BlockingWaits::Attempt attempt,
                  const BlockingWaits::Done& done);
  // The same for what is to be called with OnLease::kWait and answers an operation.
  void wait_for_lease(fuse_req_t req, BlockingWaits::Attempt attempt, BlockingWaits::Done reply);
  template <class T>
  void wait_for_lease(fuse_req_t req, std::function<Result<T>()> call,
                      std::function<void(const Result<T>&)> reply);
  template <class Use>
  void with_file(fuse_req_t req, fuse_ino_t node, const fuse_file_info* info, Use use);

  void reply_entry(fuse_req_t req, const Result<Entry>& entry);
  void reply_opened(fuse_req_t req, fuse_ino_t node, const Result<OpenedFile>& opened,
                    fuse_file_info info);
  void reply_changed(fuse_req_t req, fuse_ino_t node, const Result<Attributes>& attributes,
                     bool may_be_mapped);
  void read_file(fuse_req_t req, HandleId file, std::size_t size, off_t offset,
                 const fuse_file_info& info);
  void reply_created(fuse_req_t req, const Result<CreatedFile>& created, fuse_file_info* info);
  bool goes_past_the_cache(const OpenedFile& opened, int flags) const;
  void describe(const OpenedFile& opened, fuse_file_info& info) const;

  FileSystem& fs_;
  Invalidator& invalidator_;
  CachePolicy policy_;  // constant once requests are served
  const Negotiation negotiation_;
  ControlAdapter* control_ = nullptr;  // likewise
  KernelFeatures features_;            // written by INIT, before any other request

  // Directories are let go of when they were listed to their end.
  static constexpr NodeHandles::Capacities kNodeHandles{.files = 192, .directories = 64};
  NodeHandles node_handles_;
  AttributeDemand attribute_demand_;
  std::atomic_flag has_run_out_;  // of descriptors, as the log says
};

}  // namespace mmapdirfs
