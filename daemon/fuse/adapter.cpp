// SPDX-License-Identifier: MIT
#include "fuse/adapter.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "fuse/adapter_waits.h"
#include "fuse/invalidator.h"
#include "fuse/reply.h"
#include "fuse/request.h"

namespace mmapdirfs {
namespace {

bool want(fuse_conn_info& connection, std::uint64_t capability) {
  return fuse_set_feature_flag(&connection, capability);
}

// The kernel's own file for passthrough keeps the flags of the open for ever, while the program may
// take these back by fcntl. Such a handle belongs to passthrough as the others of its inode do, and
// is mapped there, but what it reads and writes comes here, with its present flags. (A flag that is
// only set later by fcntl is heeded: FOPEN_DIRECT_IO goes before FOPEN_PASSTHROUGH, and each
// passed-through write says whether to append; fs/fuse/file.c, Linux 6.18.)
bool has_flags_to_follow(int flags) { return (flags & (O_APPEND | O_DIRECT)) != 0; }

// sendfile and splice take what they read of such a handle from pages of the mount's own file,
// which passed-through writes of others don't reach; nor can these pages be forgotten in time.
// EINVAL makes programs read instead. Their own reads name the owner of their locks
// (fuse_send_read, Linux 6.18), those that fill pages name nobody.
bool fills_a_page(const fuse_file_info& info) { return info.lock_owner == 0; }

}  // namespace

void Adapter::init(fuse_conn_info& connection) {
  want(connection, FUSE_CAP_PARALLEL_DIROPS);
  want(connection, FUSE_CAP_EXPORT_SUPPORT);  // file handles of what the kernel has forgotten
  want(connection, FUSE_CAP_DONT_MASK);       // a directory's default ACL goes before the umask
  // What takes set-user-id bits away is done in the caller's name, so the source takes them. The
  // kernel would ask for security.capability before each write.
  want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
  if (negotiation_.want_posix_acl) {
    want(connection, FUSE_CAP_POSIX_ACL);
  }
  // Files that are read or written without the kernel's pages: see goes_past_the_cache().
  if (!negotiation_.opens_without_message) {
    features_.direct_io_mmap = want(connection, FUSE_CAP_DIRECT_IO_ALLOW_MMAP);
  }
  if (policy_.keeps_pages()) {
    want(connection, FUSE_CAP_CACHE_SYMLINKS);  // what a symlink holds never changes
  }
  if (negotiation_.want_passthrough) {
    features_.passthrough = want(connection, FUSE_CAP_PASSTHROUGH);
    connection.max_backing_stack_depth = negotiation_.backing_stack_depth;
  }
  // Readahead and direct reads of several files at once; the kernel's 12 make readers queue.
  constexpr unsigned kMaxBackground = 64;
  connection.max_background = kMaxBackground;
}

// A directory is watched from before the first question about a name in it until the kernel has
// forgotten it, so whether it is may be asked when the answer is there.
void Adapter::lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  attribute_demand_.note_lookup(node_of(parent), name);
  const auto entry = fs_.lookup(node_of(parent), name, thread_of(req));
  if (!entry && entry.error().errnum() == ENOENT &&
      policy_.keeps_absence(fs_.is_watched(node_of(parent)))) {
    note_errno(req, ENOENT);
    const auto absence = to_absence(policy_);
    fuse_reply_entry(req, &absence);
    return;
  }
  reply_entry(req, entry);
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

// A node's handle goes first: with the node, the file system lets go of what it has kept of it.
void Adapter::forget(fuse_req_t req, fuse_ino_t node, std::uint64_t count) {
  node_handles_.drop(node_of(node));
  fs_.forget(node_of(node), count);
  fuse_reply_none(req);
}

void Adapter::forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (const auto& each : std::span(forgets, count)) {
    node_handles_.drop(node_of(each.ino));
    fs_.forget(node_of(each.ino), each.nlookup);
  }
  fuse_reply_none(req);
}

void Adapter::getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* /*info*/) {
  const bool is_watched = fs_.is_watched(node_of(node));
  const bool may_be_mapped = fs_.may_be_mapped(node_of(node));
  const auto attributes = fs_.getattr(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  const struct stat result = to_stat(*attributes);
  fuse_reply_attr(req, &result, attribute_timeout(*attributes, policy_, is_watched, may_be_mapped));
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
void Adapter::statx(fuse_req_t req, fuse_ino_t node, int /*flags*/, int /*mask*/,
                    fuse_file_info* /*info*/) {
  const bool is_watched = fs_.is_watched(node_of(node));
  const bool may_be_mapped = fs_.may_be_mapped(node_of(node));
  auto attributes = fs_.getattr(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  fuse_reply_statx(req, 0, &*attributes,
                   attribute_timeout(*attributes, policy_, is_watched, may_be_mapped));
}
#endif

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
  // Of a read-only mount the daemon hears at the last close, which is early enough for the shared
  // locks that there are.
  info.noflush = negotiation_.access == Access::kReadOnly || !opened.needs_flush ? 1 : 0;
  if (opened.path == ReadPath::kPassthrough) {
    info.backing_id = static_cast<std::int32_t>(opened.backing);
    info.direct_io = has_flags_to_follow(info.flags) ? 1 : 0;
  } else if (policy_.keeps_pages() && !goes_past_the_cache(opened, info.flags)) {
    info.keep_cache = opened.keep_pages || policy_.owns_source() ? 1 : 0;
  } else {
    info.direct_io = 1;
  }
}

// Where the end is, the source alone knows; the kernel would put appended bytes into its pages at
// the end that it remembers.
//
// And it takes over a new size before it drops the page that held the old end, with zeros behind it
// (fuse_change_attributes, Linux 6.18): of a file that grows just now, one reader may be shown
// these while another asks for the size.
bool Adapter::goes_past_the_cache(const OpenedFile& opened, int flags) const {
  return features_.direct_io_mmap && (opened.is_changing || (flags & O_APPEND) != 0);
}

void Adapter::note_refused_open(const Error& error) {
  const bool has_run_out = error.errnum() == ENFILE || error.errnum() == EMFILE;
  if (has_run_out && !has_run_out_.test_and_set()) {
    spdlog::warn(
        "all descriptors that the daemon may have are in use, and programs are told ENFILE; a "
        "greater limit is given by root, LimitNOFILE= in the unit, or nofile in "
        "/etc/security/limits.conf");
  }
}

// The first try has begun to break the lease that is in the way, if one is.
void Adapter::open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  const Caller caller = caller_of(req);
  const auto opened = fs_.open(node_of(node), info->flags, caller);
  if (opened || !may_be_leased(opened.error()) || (info->flags & O_NONBLOCK) != 0) {
    return reply_opened(req, node, opened, *info);
  }
  wait_for_lease<OpenedFile>(
      req,
      [this, node, flags = info->flags, caller] {
        return fs_.open(node_of(node), flags, caller, OnLease::kWait);
      },
      [this, req, node, info = *info](const auto& later) { reply_opened(req, node, later, info); });
}

void Adapter::reply_opened(fuse_req_t req, fuse_ino_t node, const Result<OpenedFile>& opened,
                           fuse_file_info info) {
  if (!opened) {
    note_refused_open(opened.error());
    return reply_error(req, opened.error());
  }
  if (opened->begins_to_be_mapped && policy_.keeps_pages()) {
    invalidator_.forget_attributes(node_of(node));
  }
  describe(*opened, info);
  if (fuse_reply_open(req, &info) != 0) {
    fs_.release(opened->handle);  // the caller was killed: no release will come
  }
}

Result<Adapter::UsedHandle> Adapter::file_of(fuse_ino_t node, const fuse_file_info* info) {
  return negotiation_.opens_without_message ? used(node_handles_.file(node_of(node)))
                                            : UsedHandle{.id = handle_of(info), .owner = nullptr};
}

// Calls `use` with the handle. Where opens send no message, this is when a lease may be in the way.
template <class Use>
void Adapter::with_file(fuse_req_t req, fuse_ino_t node, const fuse_file_info* info, Use use) {
  const auto file = file_of(node, info);
  if (file) {
    return use(file->id);
  }
  if (!negotiation_.opens_without_message || !may_be_leased(file.error())) {
    return reply_error(req, file.error());
  }
  wait_for_lease<UsedHandle>(
      req, [this, node] { return used(node_handles_.file(node_of(node), OnLease::kWait)); },
      [req, use](const auto& later) { later ? use(later->id) : reply_error(req, later.error()); });
}

// What was opened before opens were left out has a handle; zero is none.
Result<Adapter::UsedHandle> Adapter::directory_of(fuse_ino_t node, const fuse_file_info* info) {
  if (handle_of(info) != HandleId{0}) {
    return UsedHandle{.id = handle_of(info), .owner = nullptr};
  }
  auto directory = used(node_handles_.directory(node_of(node)));
  if (!directory && is_gone(node_of(node), directory.error())) {
    return std::unexpected(Error::from_errno(ENOENT, "use a directory that was removed"));
  }
  return directory;
}

// One that a program has open can be removed on the source before it is first opened there. The
// source says ENOENT to who lists it then, which the C library takes for the end.
bool Adapter::is_gone(NodeId node, const Error& error) {
  if (error.errnum() != ESTALE || !fs_.is_watched(node)) {
    return false;
  }
  const auto attributes = fs_.getattr(node);
  return !attributes && attributes.error().errnum() == ESTALE;
}

Result<Adapter::UsedHandle> Adapter::used(Result<NodeHandles::Shared> opened) {
  if (!opened) {
    return std::unexpected(opened.error());
  }
  return UsedHandle{.id = **opened, .owner = std::move(*opened)};
}

void Adapter::read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                   fuse_file_info* info) {
  with_file(req, node, info, [this, req, size, offset, info = *info](HandleId file) {
    read_file(req, file, size, offset, info);
  });
}

void Adapter::read_file(fuse_req_t req, HandleId file, std::size_t size, off_t offset,
                        const fuse_file_info& info) {
  const auto view = fs_.read(file, static_cast<std::uint64_t>(offset), size, scratch<std::byte>());
  if (!view) {
    return reply_error(req, view.error());
  }
  if (view->is_passed_through && fills_a_page(info)) {
    return reply_error(req, Error::from_errno(EINVAL, "fill pages of a file in passthrough"));
  }
  // The kernel copies straight from the mapping. Bytes that a truncation took away make the write
  // to /dev/fuse fail with EFAULT and the reader's request end with EIO; libfuse has let go of the
  // request then, so there is nothing left to answer.
  if (fuse_reply_buf(req, reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size()) ==
      -EFAULT) {
    note_errno(req, EIO);
  } else {
    note_bytes(req, view->bytes.size());
  }
}

void Adapter::lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence,
                    fuse_file_info* info) {
  with_file(req, node, info, [this, req, offset, whence](HandleId file) {
    const auto found = fs_.lseek(file, offset, whence);
    if (!found) {
      return reply_error(req, found.error());
    }
    fuse_reply_lseek(req, *found);
  });
}

void Adapter::fsync(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info) {
  with_file(req, node, info, [this, req, data_only](HandleId file) {
    reply_outcome(req, fs_.fsync(file, data_only != 0));
  });
}

void Adapter::release(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  fs_.release(handle_of(info));
  reply_errno(req, 0);
}

// Then the kernel opens directories by itself and keeps every listing that was read to its end
// (fuse_dir_open, Linux 6.18). Right where it checks who may, where a directory is found again
// wherever it was moved, and where the source's changes are reported: what isn't watched beneath
// such a root has its listing forgotten in time.
bool Adapter::leaves_opendir_out() const {
  return negotiation_.opens_without_message || (negotiation_.want_posix_acl && policy_.watches() &&
                                                fs_.has_handles() && fs_.is_watched(kRootNode));
}

void Adapter::opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  if (leaves_opendir_out()) {
    return reply_errno(req, ENOSYS);  // once, and the kernel asks no more
  }
  const auto handle = fs_.opendir(node_of(node));
  if (!handle) {
    return reply_error(req, handle.error());
  }
  info->fh = static_cast<std::uint64_t>(*handle);
  info->cache_readdir = policy_.keeps_absence(fs_.is_watched(node_of(node))) ? 1 : 0;
  info->keep_cache = info->cache_readdir;
  if (fuse_reply_open(req, info) != 0) {
    fs_.releasedir(*handle);
  }
}

void Adapter::readdir(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                      fuse_file_info* info) {
  list(req, node, size, offset, info, false);
}

void Adapter::readdirplus(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                          fuse_file_info* info) {
  list(req, node, size, offset, info, true);
}

void Adapter::list(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                   const fuse_file_info* info, bool with_entries) {
  const bool is_watched = fs_.is_watched(node_of(node));
  const auto directory = directory_of(node, info);
  if (!directory) {
    return reply_error(req, directory.error());
  }
  const auto form = with_entries ? DirectoryReply::Form::kEntries : DirectoryReply::Form::kNames;
  DirectoryReply reply(req, form, policy_, scratch_of(size));
  const auto cookie = static_cast<std::uint64_t>(offset);
  // From the middle on the kernel asks for entries only where some were looked at (Linux 6.18).
  if (cookie == 0) {
    reply.choose_entries(attribute_demand_.begin(thread_of(req), node_of(node)));
  }
  const auto listed = with_entries ? fs_.readdirplus(node_of(node), directory->id, cookie, reply)
                                   : fs_.readdir(directory->id, cookie, reply);
  if (!listed) {
    return reply_error(req, listed.error());
  }
  fuse_reply_buf(req, reply.bytes().data(), reply.bytes().size());
  if (directory->owner) {
    note_listing(node_of(node), is_watched, reply.bytes().empty());
  }
}

// After the answer, so that what is forgotten in a second is there by then.
void Adapter::note_listing(NodeId node, bool is_watched, bool is_at_end) {
  if (!policy_.keeps_absence(is_watched)) {
    invalidator_.let_listing_age(node);
  }
  if (is_at_end) {
    node_handles_.drop_directory(node);
  }
}

void Adapter::fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* info) {
  const auto directory = directory_of(node, info);
  if (!directory) {
    return reply_error(req, directory.error());
  }
  reply_outcome(req, fs_.fsyncdir(directory->id, data_only != 0));
}

void Adapter::releasedir(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  fs_.releasedir(handle_of(info));
  reply_errno(req, 0);
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
  const auto which = caller_of(req).uid == 0 ? XattrNames::kAll : XattrNames::kWithoutTrusted;
  const auto length = fs_.listxattr(node_of(node), names, which);
  if (!length) {
    return reply_error(req, length.error());
  }
  size == 0 ? fuse_reply_xattr(req, *length) : fuse_reply_buf(req, names.data(), *length);
}

}  // namespace mmapdirfs
