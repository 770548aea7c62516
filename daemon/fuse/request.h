// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <span>
#include <vector>

#include "fuse/adapter.h"
#include "fuse/link.h"
#include "fuse/running_operation.h"

// What every operation of the adapter needs of a request: its parts in the file system's words, and
// the plain replies.
namespace mmapdirfs {

inline NodeId node_of(fuse_ino_t node) { return NodeId{node}; }
inline HandleId handle_of(const fuse_file_info* info) { return HandleId{info->fh}; }
inline LockOwner owner_of(const fuse_file_info* info) { return LockOwner{info->lock_owner}; }

// 0 where the caller's processes aren't seen from here.
inline pid_t thread_of(fuse_req_t req) { return fuse_req_ctx(req)->pid; }

inline Caller caller_of(fuse_req_t req) {
  const fuse_ctx& context = *fuse_req_ctx(req);
  if (adapter_of(req).maps_ids()) {
    return caller_behind_mapping({.uid = context.uid, .gid = context.gid}, context.umask,
                                 context.pid);
  }
  return {.uid = context.uid, .gid = context.gid, .umask = context.umask, .thread = context.pid};
}

// The one way to answer with an errno, so that it is counted; 0 says that all went well.
inline void reply_errno(fuse_req_t req, int errnum) {
  note_errno(req, errnum);
  fuse_reply_err(req, errnum);
}
#pragma GCC poison fuse_reply_err

inline void reply_error(fuse_req_t req, const Error& error) {
  spdlog::debug("{}", error.message());
  reply_errno(req, error.errnum());
}

// Then it is tried again by a thread that may wait for the lease.
inline bool may_be_leased(const Error& error) { return error.errnum() == EAGAIN; }

// What is answered where an exception has come through, which is memory running out or a bug.
int errno_of(const std::exception& error);

inline void reply_outcome(fuse_req_t req, const Result<void>& result) {
  reply_errno(req, result ? 0 : result.error().errnum());
}

// A buffer of this thread's own, reused by its later requests.
template <class T>
std::vector<T>& scratch() {
  thread_local std::vector<T> buffer;
  return buffer;
}

inline std::span<char> scratch_of(std::size_t size) {
  auto& buffer = scratch<char>();
  buffer.resize(std::max(buffer.size(), size));
  return std::span(buffer).first(size);
}

}  // namespace mmapdirfs
