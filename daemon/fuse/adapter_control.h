// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "control/control_directory.h"
#include "control/control_ioctl.h"
#include "control/control_sessions.h"
#include "fuse/adapter.h"

namespace mmapdirfs {

// Between libfuse and the control directory: answers the requests about its nodes and its name, to
// which operations.cpp diverts them.
//
// Nothing of it is kept by the kernel, so that the source's own file of that name, or the
// directory, turns up as soon as it is there. Nothing is answered ENOSYS, which would hold for all
// of the mount.
//
// Who has to wait for answers of `control` is answered by the thread that carries the command out,
// or by whoever interrupts the wait.
//
// Borrows all three. libfuse calls it from many threads at once.
class ControlAdapter {
 public:
  ControlAdapter(ControlDirectory& directory, ControlSessions& sessions, FileSystem& fs,
                 ControlReads reads)
      : directory_(directory), sessions_(sessions), fs_(fs), reads_(reads) {}

  // The operations that concern its nodes. Those that change anything are refused.
  static fuse_lowlevel_ops operations();

  static bool has(fuse_ino_t node) { return ControlDirectory::contains(NodeId{node}); }
  bool is_named(fuse_ino_t directory, const char* name) const {
    return directory_.is_named(NodeId{directory}, name);
  }

 private:
  template <auto Method>
  struct Call;

  void lookup(fuse_req_t req, fuse_ino_t parent, const char* name);
  void getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  void statx(fuse_req_t req, fuse_ino_t node, int flags, int mask, fuse_file_info* info);
#endif
  void access(fuse_req_t req, fuse_ino_t node, int mask);
  void open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* info);
  void release(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  void opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info);
  template <bool kWithAttributes>
  void list(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info* info);
  void setattr(fuse_req_t req, fuse_ino_t node, struct stat* values, int which,
               fuse_file_info* info);
  void write(fuse_req_t req, fuse_ino_t node, const char* bytes, std::size_t size, off_t offset,
             fuse_file_info* info);
  void ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void* argument,
             fuse_file_info* info, unsigned flags, const void* in, std::size_t in_size,
             std::size_t out_size);
  void open_commands(fuse_req_t req, fuse_file_info* info);
  void run(fuse_req_t req, const fuse_file_info* info, std::string_view argument);
  void ask(fuse_req_t req, ControlConversation conversation);
  void listen(fuse_req_t req, const ControlConversation& conversation);
  void read_answers(fuse_req_t req, std::size_t size, const fuse_file_info* info);
  void read_answers(fuse_req_t req, std::size_t size, HandleId handle,
                    const ControlSession::Reply& reply);
  void statfs(fuse_req_t req, fuse_ino_t node);

  ControlDirectory& directory_;
  ControlSessions& sessions_;
  FileSystem& fs_;
  const ControlReads reads_;
};

}  // namespace mmapdirfs
