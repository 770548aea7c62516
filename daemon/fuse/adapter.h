// SPDX-License-Identifier: MIT
#pragma once

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 17)
#include <fuse_lowlevel.h>

#include "cache_policy.h"
#include "fs/file_system.h"

namespace mmapdirfs {

// What the kernel and the daemon agree on at INIT.
struct Negotiation {
  bool want_passthrough = false;
  // The kernel checks modes, owners and POSIX ACLs itself, for callers other than the daemon.
  bool want_posix_acl = false;
  // Stacked file systems that may lie beneath a passthrough file: 1 for a source on overlayfs or
  // another FUSE, else 0, so that the mount itself may be stacked on (the kernel's limit is 2).
  unsigned backing_stack_depth = 0;
};

// What the kernel turned out to have.
struct KernelFeatures {
  bool passthrough = false;
  bool direct_io_mmap = false;
};

// Between libfuse and the file system: each operation is call, match, reply. Nothing else replies,
// so each request is answered exactly once, and no lock is held then.
//
// Borrows the file system. libfuse calls it from many threads at once.
class Adapter {
 public:
  Adapter(FileSystem& fs, CachePolicy policy, Negotiation negotiation)
      : fs_(fs), policy_(policy), negotiation_(negotiation) {}

  // The operations, for fuse_session_new with this object as the user data.
  static const fuse_lowlevel_ops& operations();

  // Known once INIT was answered.
  const KernelFeatures& features() const { return features_; }

 private:
  void init(fuse_conn_info& connection);
  void lookup(fuse_req_t req, fuse_ino_t parent, const char* name);
  void forget(fuse_req_t req, fuse_ino_t node, std::uint64_t count);
  void forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets);
  void getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void access(fuse_req_t req, fuse_ino_t node, int mask);
  void readlink(fuse_req_t req, fuse_ino_t node);
  void open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* info);
  void lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence, fuse_file_info* info);
  void fsync(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info);
  void release(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void readdir(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
               fuse_file_info* info);
  void readdirplus(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                   fuse_file_info* info);
  void fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info);
  void releasedir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void statfs(fuse_req_t req, fuse_ino_t node);
  void getxattr(fuse_req_t req, fuse_ino_t node, const char* name, std::size_t size);
  void listxattr(fuse_req_t req, fuse_ino_t node, std::size_t size);

  FileSystem& fs_;
  const CachePolicy policy_;
  const Negotiation negotiation_;
  KernelFeatures features_;  // written by INIT, before any other request
};

}  // namespace mmapdirfs
