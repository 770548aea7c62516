// SPDX-License-Identifier: MIT
#include "fuse/adapter.h"

#include <spdlog/spdlog.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
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
LockOwner owner_of(const fuse_file_info* info) { return LockOwner{info->lock_owner}; }

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

Caller caller_of(fuse_req_t req) {
  const fuse_ctx* context = fuse_req_ctx(req);
  return {.uid = context->uid, .gid = context->gid, .umask = context->umask};
}

// libfuse passes this on from 3.18.3 on; want_killpriv asks for it nowhere else.
bool kills_privileges(const fuse_file_info& info) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  return info.kill_suidgid != 0;
#else
  return false;
#endif
}

// Whether the libfuse that is running tells a write that takes privileges away from another one.
// Without that the kernel asks for security.capability before each write, and takes them itself.
bool relays_killed_privileges() {
  constexpr std::array kSince = {3, 18, 3};
  std::array<int, 3> running{};
  return std::sscanf(fuse_pkgversion(), "%d.%d.%d", &running[0], &running[1], &running[2]) == 3 &&
         running >= kSince;
}

AttributeChange to_change(const struct stat& values, int which) {
  AttributeChange change;
  const auto has = [which](int bit) { return (which & bit) != 0; };
  if (has(FUSE_SET_ATTR_MODE)) {
    change.mode = values.st_mode & ~static_cast<mode_t>(S_IFMT);
  }
  if (has(FUSE_SET_ATTR_UID)) {
    change.owner = values.st_uid;
  }
  if (has(FUSE_SET_ATTR_GID)) {
    change.group = values.st_gid;
  }
  if (has(FUSE_SET_ATTR_SIZE)) {
    change.size = values.st_size;
  }
  if (has(FUSE_SET_ATTR_ATIME)) {
    change.access_time = values.st_atim;
  }
  if (has(FUSE_SET_ATTR_MTIME)) {
    change.modification_time = values.st_mtim;
  }
  if (has(FUSE_SET_ATTR_ATIME_NOW)) {
    change.access_time.tv_nsec = UTIME_NOW;
  }
  if (has(FUSE_SET_ATTR_MTIME_NOW)) {
    change.modification_time.tv_nsec = UTIME_NOW;
  }
  return change;
}

bool want(fuse_conn_info& connection, std::uint64_t capability) {
  return fuse_set_feature_flag(&connection, capability);
}

}  // namespace

void Adapter::init(fuse_conn_info& connection) {
  want(connection, FUSE_CAP_PARALLEL_DIROPS);
  want(connection, FUSE_CAP_DONT_MASK);  // a directory's default ACL goes before the umask
  if (relays_killed_privileges()) {
    want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
  }
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
  reply_entry(req, fs_.lookup(node_of(parent), name));
}

void Adapter::reply_entry(fuse_req_t req, const Result<Entry>& entry) {
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
  fuse_reply_attr(req, &result, attribute_timeout(*attributes, policy_));
}

void Adapter::setattr(fuse_req_t req, fuse_ino_t node, struct stat* values, int which,
                      fuse_file_info* info) {
  const auto handle = info == nullptr ? std::nullopt : std::optional(handle_of(info));
  const auto attributes =
      fs_.setattr(node_of(node), handle, to_change(*values, which), caller_of(req));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  const struct stat result = to_stat(*attributes);
  fuse_reply_attr(req, &result, attribute_timeout(*attributes, policy_));
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
void Adapter::statx(fuse_req_t req, fuse_ino_t node, int /*flags*/, int /*mask*/,
                    fuse_file_info* /*info*/) {
  auto attributes = fs_.getattr(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  fuse_reply_statx(req, 0, &*attributes, attribute_timeout(*attributes, policy_));
}
#endif

void Adapter::mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
                    dev_t device) {
  reply_entry(req, fs_.mknod(node_of(parent), name, mode, device, caller_of(req)));
}

void Adapter::mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  reply_entry(req, fs_.mkdir(node_of(parent), name, mode, caller_of(req)));
}

void Adapter::symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  reply_entry(req, fs_.symlink(node_of(parent), name, target, caller_of(req)));
}

void Adapter::link(fuse_req_t req, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  reply_entry(req, fs_.link(node_of(node), node_of(new_parent), new_name));
}

void Adapter::unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  reply_outcome(req, fs_.unlink(node_of(parent), name));
}

void Adapter::rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  reply_outcome(req, fs_.rmdir(node_of(parent), name));
}

void Adapter::rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned flags) {
  reply_outcome(req, fs_.rename(node_of(parent), name, node_of(new_parent), new_name, flags));
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

void Adapter::describe(const OpenedFile& opened, fuse_file_info& info) const {
  info.fh = static_cast<std::uint64_t>(opened.handle);
  if (opened.path == ReadPath::kPassthrough) {
    info.backing_id = static_cast<std::int32_t>(opened.backing);
  } else if (policy_.keep_pages && !appends_past_the_cache(info.flags)) {
    info.keep_cache = opened.keep_pages ? 1 : 0;
  } else {
    info.direct_io = 1;
  }
}

// Where the end is, the source alone knows; the kernel would put appended bytes into its pages at
// the end that it remembers.
bool Adapter::appends_past_the_cache(int flags) const {
  return features_.direct_io_mmap && (flags & O_APPEND) != 0;
}

void Adapter::open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  const auto opened = fs_.open(node_of(node), info->flags, caller_of(req));
  if (!opened) {
    return reply_error(req, opened.error());
  }
  describe(*opened, *info);
  if (fuse_reply_open(req, info) != 0) {
    fs_.release(opened->handle);  // the caller was killed: no release will come
  }
}

void Adapter::create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
                     fuse_file_info* info) {
  reply_created(req, fs_.create(node_of(parent), name, mode, info->flags, caller_of(req)), info);
}

void Adapter::tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  reply_created(req, fs_.tmpfile(node_of(parent), mode, info->flags, caller_of(req)), info);
}

void Adapter::reply_created(fuse_req_t req, const Result<CreatedFile>& created,
                            fuse_file_info* info) {
  if (!created) {
    return reply_error(req, created.error());
  }
  describe(created->file, *info);
  const auto param = to_entry_param(created->entry, policy_);
  if (fuse_reply_create(req, &param, info) != 0) {
    fs_.release(created->file.handle);
    fs_.forget(created->entry.node, 1);
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

void Adapter::write(fuse_req_t req, fuse_ino_t /*node*/, const char* bytes, std::size_t size,
                    off_t offset, fuse_file_info* info) {
  const auto written =
      fs_.write(handle_of(info), static_cast<std::uint64_t>(offset),
                std::as_bytes(std::span(bytes, size)), kills_privileges(*info), caller_of(req));
  if (!written) {
    return reply_error(req, written.error());
  }
  fuse_reply_write(req, *written);
}

void Adapter::fallocate(fuse_req_t req, fuse_ino_t /*node*/, int mode, off_t offset, off_t length,
                        fuse_file_info* info) {
  reply_outcome(req, fs_.fallocate(handle_of(info), mode, offset, length, caller_of(req)));
}

void Adapter::copy_file_range(fuse_req_t req, fuse_ino_t /*from*/, off_t from_offset,
                              fuse_file_info* from_info, fuse_ino_t /*to*/, off_t to_offset,
                              fuse_file_info* to_info, std::size_t length, int /*flags*/) {
  const auto copied = fs_.copy_file_range(handle_of(from_info), from_offset, handle_of(to_info),
                                          to_offset, length, caller_of(req));
  if (!copied) {
    return reply_error(req, copied.error());
  }
  fuse_reply_write(req, *copied);
}

void Adapter::flush(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  reply_outcome(req, fs_.flush(handle_of(info), owner_of(info)));
}

void Adapter::ioctl(fuse_req_t req, fuse_ino_t /*node*/, unsigned command, void* /*argument*/,
                    fuse_file_info* info, unsigned flags, const void* in, std::size_t in_size,
                    std::size_t out_size) {
  const auto out = scratch_of(out_size);
  const auto done = fs_.ioctl(handle_of(info), (flags & FUSE_IOCTL_DIR) != 0, command,
                              std::span(static_cast<const char*>(in), in_size), out);
  if (!done) {
    return reply_error(req, done.error());
  }
  fuse_reply_ioctl(req, 0, out.data(), out.size());
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

void Adapter::setxattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value,
                       std::size_t size, int flags) {
  reply_outcome(req,
                fs_.setxattr(node_of(node), name, std::span(value, size), flags, caller_of(req)));
}

void Adapter::removexattr(fuse_req_t req, fuse_ino_t node, const char* name) {
  reply_outcome(req, fs_.removexattr(node_of(node), name));
}

void Adapter::getlk(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock) {
  const auto found = fs_.find_record_lock(handle_of(info), owner_of(info), *lock);
  if (!found) {
    return reply_error(req, found.error());
  }
  fuse_reply_lock(req, &*found);
}

void Adapter::setlk(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, struct flock* lock,
                    int sleep) {
  const HandleId handle = handle_of(info);
  const LockOwner owner = owner_of(info);
  answer_lock(req, fs_.set_record_lock(handle, owner, *lock), sleep != 0,
              [&] { return fs_.wait_for_record_lock(handle, owner, *lock); });
}

void Adapter::flock(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info, int operation) {
  const HandleId handle = handle_of(info);
  answer_lock(req, fs_.set_flock(handle, operation), (operation & LOCK_NB) == 0,
              [&] { return fs_.wait_for_flock(handle, operation); });
}

// A lock that can't be had at once is waited for by a thread of its own, which then replies. The
// interrupter knows the wait by number: libfuse may still be calling it while the wait ends.
void Adapter::answer_lock(fuse_req_t req, const Result<void>& tried, bool may_wait,
                          const std::function<Result<LockWaits::Attempt>()>& wait) {
  if (tried || tried.error().errnum() != EAGAIN || !may_wait) {
    return reply_outcome(req, tried);
  }
  auto attempt = wait();
  if (!attempt) {
    return reply_error(req, attempt.error());
  }
  const WaitId id = fs_.lock_waits().prepare();
  fuse_req_interrupt_func(
      req,
      [](fuse_req_t interrupted, void* number) {
        const auto wait_id = WaitId{reinterpret_cast<std::uintptr_t>(number)};
        adapter_of(interrupted).fs_.lock_waits().interrupt(wait_id);
      },
      reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)));
  fs_.lock_waits().begin(id, std::move(*attempt),
                         [req](const Result<void>& result) { reply_outcome(req, result); });
}

const fuse_lowlevel_ops& Adapter::operations() {
  static const fuse_lowlevel_ops kOperations = [] {
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
    ops.setattr = Operation<&Adapter::setattr>::call;
    ops.mknod = Operation<&Adapter::mknod>::call;
    ops.mkdir = Operation<&Adapter::mkdir>::call;
    ops.unlink = Operation<&Adapter::unlink>::call;
    ops.rmdir = Operation<&Adapter::rmdir>::call;
    ops.symlink = Operation<&Adapter::symlink>::call;
    ops.rename = Operation<&Adapter::rename>::call;
    ops.link = Operation<&Adapter::link>::call;
    ops.create = Operation<&Adapter::create>::call;
    ops.tmpfile = Operation<&Adapter::tmpfile>::call;
    ops.write = Operation<&Adapter::write>::call;
    ops.fallocate = Operation<&Adapter::fallocate>::call;
    ops.copy_file_range = Operation<&Adapter::copy_file_range>::call;
    ops.setxattr = Operation<&Adapter::setxattr>::call;
    ops.getlk = Operation<&Adapter::getlk>::call;
    ops.setlk = Operation<&Adapter::setlk>::call;
    ops.flock = Operation<&Adapter::flock>::call;
    ops.flush = Operation<&Adapter::flush>::call;
    ops.ioctl = Operation<&Adapter::ioctl>::call;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
    ops.statx = Operation<&Adapter::statx>::call;
#endif
    ops.removexattr = Operation<&Adapter::removexattr>::call;
    return ops;
  }();
  return kOperations;
}

}  // namespace mmapdirfs
