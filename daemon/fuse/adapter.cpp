// SPDX-License-Identifier: MIT
#include "fuse/adapter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <span>
#include <vector>

#include "fuse/reply.h"

namespace mmapdirfs {
namespace {

Adapter& adapter_of(fuse_req_t req) { return *static_cast<Adapter*>(fuse_req_userdata(req)); }

void reply_error(fuse_req_t req, const Error& error) {
  spdlog::debug("{}", error.message());
  fuse_reply_err(req, error.errnum());
}

void reply_outcome(fuse_req_t req, const Result<void>& result) {
  fuse_reply_err(req, result ? 0 : result.error().errnum());
}

// A buffer of this thread's own, reused by its later requests.
template <class T>
std::vector<T>& scratch() {
  thread_local std::vector<T> buffer;
  return buffer;
}

std::span<char> scratch_of(std::size_t size) {
  auto& buffer = scratch<char>();
  buffer.resize(std::max(buffer.size(), size));
  return std::span(buffer).first(size);
}

NodeId node_of(fuse_ino_t node) { return NodeId{node}; }
HandleId handle_of(const fuse_file_info* info) { return HandleId{info->fh}; }

// The wall where exceptions end. A method of the adapter throws only before it replies.
template <auto Method>
struct Operation;

template <class... Args, void (Adapter::*Method)(fuse_req_t, Args...)>
struct Operation<Method> {
  static void call(fuse_req_t req, Args... args) {
    try {
      (adapter_of(req).*Method)(req, args...);
    } catch (const std::bad_alloc&) {
      fuse_reply_err(req, ENOMEM);
    } catch (const std::exception& error) {
      spdlog::critical("a bug in mmapdirfs: {}", error.what());
      fuse_reply_err(req, EIO);
    }
  }
};

// The mount is read-only and the kernel answers for it; this is for one remounted read-write.
template <class... Args>
void refuse_change(fuse_req_t req, Args... /*args*/) {
  fuse_reply_err(req, EROFS);
}

bool want(fuse_conn_info& connection, std::uint64_t capability) {
  return fuse_set_feature_flag(&connection, capability);
}

}  // namespace

void Adapter::init(fuse_conn_info& connection) {
  want(connection, FUSE_CAP_PARALLEL_DIROPS);
  if (negotiation_.want_posix_acl) {
    want(connection, FUSE_CAP_POSIX_ACL);
  }
  if (!policy_.keep_pages) {
    features_.direct_io_mmap = want(connection, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
  }
  if (negotiation_.want_passthrough) {
    features_.passthrough = want(connection, FUSE_CAP_PASSTHROUGH);
    connection.max_backing_stack_depth = negotiation_.backing_stack_depth;
  }
  // Readahead and direct reads of several files at once; the kernel's 12 make readers queue.
  constexpr unsigned kMaxBackground = 64;
  connection.max_background = kMaxBackground;
}

void Adapter::lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const auto entry = fs_.lookup(node_of(parent), name);
  if (!entry) {
    return reply_error(req, entry.error());
  }
  const auto param = to_entry_param(*entry, policy_);
  if (fuse_reply_entry(req, &param) != 0) {
    fs_.forget(entry->node, 1);  // the caller was killed: the kernel never learnt of the node
  }
}

void Adapter::forget(fuse_req_t req, fuse_ino_t node, std::uint64_t count) {
  fs_.forget(node_of(node), count);
  fuse_reply_none(req);
}

void Adapter::forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (const auto& each : std::span(forgets, count)) {
    fs_.forget(node_of(each.ino), each.nlookup);
  }
  fuse_reply_none(req);
}

void Adapter::getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* /*info*/) {
  const auto attributes = fs_.getattr(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  const struct stat result = to_stat(*attributes);
  fuse_reply_attr(req, &result, seconds(policy_.timeout));
}

void Adapter::access(fuse_req_t req, fuse_ino_t node, int mask) {
  reply_outcome(req, fs_.access(node_of(node), mask));
}

void Adapter::readlink(fuse_req_t req, fuse_ino_t node) {
  const auto target = fs_.readlink(node_of(node));
  if (!target) {
    return reply_error(req, target.error());
  }
  fuse_reply_readlink(req, target->c_str());
}

void Adapter::open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  const auto opened = fs_.open(node_of(node), info->flags);
  if (!opened) {
    return reply_error(req, opened.error());
  }
  info->fh = static_cast<std::uint64_t>(opened->handle);
  info->noflush = 1;  // nothing was written: close needs no answer
  if (opened->path == ReadPath::kPassthrough) {
    info->backing_id = static_cast<std::int32_t>(opened->backing);
  } else if (policy_.keep_pages) {
    info->keep_cache = opened->keep_pages ? 1 : 0;
  } else {
    info->direct_io = 1;
  }
  if (fuse_reply_open(req, info) != 0) {
    fs_.release(opened->handle);  // the caller was killed: no release will come
  }
}

void Adapter::read(fuse_req_t req, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                   fuse_file_info* info) {
  const auto view =
      fs_.read(handle_of(info), static_cast<std::uint64_t>(offset), size, scratch<std::byte>());
  if (!view) {
    return reply_error(req, view.error());
  }
  // The kernel copies straight from the mapping. Bytes that a truncation took away make the write
  // to /dev/fuse fail with EFAULT and the reader's request end with EIO; libfuse has let go of the
  // request then, so there is nothing left to answer.
  fuse_reply_buf(req, reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size());
}

void Adapter::lseek(fuse_req_t req, fuse_ino_t /*node*/, off_t offset, int whence,
                    fuse_file_info* info) {
  const auto found = fs_.lseek(handle_of(info), offset, whence);
  if (!found) {
    return reply_error(req, found.error());
  }
  fuse_reply_lseek(req, *found);
}

void Adapter::fsync(fuse_req_t req, fuse_ino_t /*node*/, int data_only, fuse_file_info* info) {
  reply_outcome(req, fs_.fsync(handle_of(info), data_only != 0));
}

void Adapter::release(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  fs_.release(handle_of(info));
  fuse_reply_err(req, 0);
}

void Adapter::opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  const auto handle = fs_.opendir(node_of(node));
  if (!handle) {
    return reply_error(req, handle.error());
  }
  info->fh = static_cast<std::uint64_t>(*handle);
  if (fuse_reply_open(req, info) != 0) {
    fs_.releasedir(*handle);
  }
}

void Adapter::readdir(fuse_req_t req, fuse_ino_t /*node*/, std::size_t size, off_t offset,
                      fuse_file_info* info) {
  DirectoryReply reply(req, DirectoryReply::Form::kNames, policy_, scratch_of(size));
  const auto listed = fs_.readdir(handle_of(info), static_cast<std::uint64_t>(offset), reply);
  if (!listed) {
    return reply_error(req, listed.error());
  }
  fuse_reply_buf(req, reply.bytes().data(), reply.bytes().size());
}

void Adapter::readdirplus(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                          fuse_file_info* info) {
  DirectoryReply reply(req, DirectoryReply::Form::kEntries, policy_, scratch_of(size));
  const auto listed =
      fs_.readdirplus(node_of(node), handle_of(info), static_cast<std::uint64_t>(offset), reply);
  if (!listed) {
    return reply_error(req, listed.error());
  }
  fuse_reply_buf(req, reply.bytes().data(), reply.bytes().size());
}

void Adapter::fsyncdir(fuse_req_t req, fuse_ino_t /*node*/, int data_only, fuse_file_info* info) {
  reply_outcome(req, fs_.fsyncdir(handle_of(info), data_only != 0));
}

void Adapter::releasedir(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  fs_.releasedir(handle_of(info));
  fuse_reply_err(req, 0);
}

void Adapter::statfs(fuse_req_t req, fuse_ino_t node) {
  const auto result = fs_.statfs(node_of(node));
  if (!result) {
    return reply_error(req, result.error());
  }
  fuse_reply_statfs(req, &*result);
}

void Adapter::getxattr(fuse_req_t req, fuse_ino_t node, const char* name, std::size_t size) {
  const auto value = scratch_of(size);
  const auto length = fs_.getxattr(node_of(node), name, value);
  if (!length) {
    return reply_error(req, length.error());
  }
  size == 0 ? fuse_reply_xattr(req, *length) : fuse_reply_buf(req, value.data(), *length);
}

void Adapter::listxattr(fuse_req_t req, fuse_ino_t node, std::size_t size) {
  const auto names = scratch_of(size);
  const auto which = fuse_req_ctx(req)->uid == 0 ? XattrNames::kAll : XattrNames::kWithoutTrusted;
  const auto length = fs_.listxattr(node_of(node), names, which);
  if (!length) {
    return reply_error(req, length.error());
  }
  size == 0 ? fuse_reply_xattr(req, *length) : fuse_reply_buf(req, names.data(), *length);
}

const fuse_lowlevel_ops& Adapter::operations() {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops{};
    ops.init = [](void* self, fuse_conn_info* connection) {
      static_cast<Adapter*>(self)->init(*connection);
    };
    ops.lookup = Operation<&Adapter::lookup>::call;
    ops.forget = Operation<&Adapter::forget>::call;
    ops.forget_multi = Operation<&Adapter::forget_multi>::call;
    ops.getattr = Operation<&Adapter::getattr>::call;
    ops.access = Operation<&Adapter::access>::call;
    ops.readlink = Operation<&Adapter::readlink>::call;
    ops.open = Operation<&Adapter::open>::call;
    ops.read = Operation<&Adapter::read>::call;
    ops.lseek = Operation<&Adapter::lseek>::call;
    ops.fsync = Operation<&Adapter::fsync>::call;
    ops.release = Operation<&Adapter::release>::call;
    ops.opendir = Operation<&Adapter::opendir>::call;
    ops.readdir = Operation<&Adapter::readdir>::call;
    ops.readdirplus = Operation<&Adapter::readdirplus>::call;
    ops.fsyncdir = Operation<&Adapter::fsyncdir>::call;
    ops.releasedir = Operation<&Adapter::releasedir>::call;
    ops.statfs = Operation<&Adapter::statfs>::call;
    ops.getxattr = Operation<&Adapter::getxattr>::call;
    ops.listxattr = Operation<&Adapter::listxattr>::call;
    ops.setattr = refuse_change;
    ops.mknod = refuse_change;
    ops.mkdir = refuse_change;
    ops.unlink = refuse_change;
    ops.rmdir = refuse_change;
    ops.symlink = refuse_change;
    ops.rename = refuse_change;
    ops.link = refuse_change;
    ops.create = refuse_change;
    ops.tmpfile = refuse_change;
    ops.write = refuse_change;
    ops.fallocate = refuse_change;
    ops.copy_file_range = refuse_change;
    ops.setxattr = refuse_change;
    ops.removexattr = refuse_change;
    return ops;
  }();
  return table;
}

}  // namespace mmapdirfs
