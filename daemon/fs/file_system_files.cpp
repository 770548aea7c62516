// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "fs/file_system.h"
#include "fs/file_version.h"
#include "fs/open_flags.h"
#include "support/retry_interrupted.h"

namespace mmapdirfs {
namespace {

int write_flags(int flags) {
  const int append = (flags & O_APPEND) != 0 ? RWF_APPEND : 0;
  if ((flags & O_SYNC) == O_SYNC) {
    return append | RWF_SYNC;
  }
  return append | ((flags & O_DSYNC) != 0 ? RWF_DSYNC : 0);
}

// In the open flags of a program that is executed; internal to the kernel (FMODE_EXEC in Linux's
// include/linux/fs.h), but passed on to FUSE.
constexpr int kToExecute = 0x20;

bool is_noexec(int fd) {
  struct statvfs info{};
  return ::fstatvfs(fd, &info) == 0 && (info.f_flag & ST_NOEXEC) != 0;
}

SetIdBits bits_after_write(WriteMode mode, bool has_caller) {
  if (!has_caller) {
    return SetIdBits::kStay;
  }
  return mode.kill_privileges ? SetIdBits::kGo : SetIdBits::kGoByUser;
}

bool is_regular_file(int fd) {
  struct stat found{};
  return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

bool has_no_name(int fd) {
  struct stat found{};
  return ::fstat(fd, &found) == 0 && found.st_nlink == 0;
}

Error lost_name() { return Error::from_errno(ESTALE, "open a file that has no name any more"); }

}  // namespace

Result<OpenedFile> FileSystem::open(NodeId node, int flags, const Caller& caller,
                                    OnLease on_lease) {
  const bool only_reads = (flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY;
  if (!only_reads && access_ == Access::kReadOnly) {
    return std::unexpected(Error::from_errno(EROFS, "open for writing"));
  }
  const auto kept = kept_inodes_.take(node, caller);
  const auto inode = open_inodes_.find(node);
  const bool is_open = inode && !kept;
  if (inode && is_known_by_lost_name(node, inode->fd()->get(), is_open, caller)) {
    return std::unexpected(lost_name());
  }
  if (kernel_checks_permissions_ && only_reads && inode && inode->is_readable()) {
    return add_file(node, inode->fd(), flags, caller);
  }
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(place.error());
  }
  const auto path_fd = reach_to_open(node, caller);
  if (!path_fd) {
    return std::unexpected(path_fd.error());
  }
  if (!inode && is_known_by_lost_name(node, (*path_fd)->get(), is_open, caller)) {
    return std::unexpected(lost_name());
  }
  // O_NONBLOCK: a file that was a regular one at lookup and is a fifo now must not stop a thread,
  // and neither must a lease.
  const bool may_wait = on_lease == OnLease::kWait && is_regular_file((*path_fd)->get());
  const int reopening =
      (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK)) | (may_wait ? 0 : O_NONBLOCK);
  place->reset();
  const bool groups_needed = (flags & O_TRUNC) != 0 && needs_groups(caller, (*path_fd)->get());
  auto fd = acting_as(caller, groups_needed,
                      [&] { return source_.reopen((*path_fd)->get(), reopening); });
  if (!fd) {
    return std::unexpected(fd.error());
  }
  drop_followed_flags(fd->get(), flags);
  return add_file(node, std::make_shared<const UniqueFd>(std::move(*fd)), flags, caller);
}

// What is deleted is stale. The kernel asks anew for the name then, and is given what is held.
Result<SharedFd> FileSystem::reach_to_open(NodeId node, const Caller& caller) {
  if (auto held = lost_names_.held(node)) {
    return held;
  }
  auto fd = reach(node);
  if (!fd && fd.error().errnum() == ESTALE) {
    tell_lost_name(node, caller);
  }
  return fd;
}

// The kernel may still know the node by a name that was taken away on the source. Told ESTALE, it
// looks the name up anew: SQLite would take the journal that another process has just deleted for
// one that a crash has left behind, and undo what that one had committed. A file that is open can
// be opened again without a name.
bool FileSystem::is_known_by_lost_name(NodeId node, int fd, bool is_open, const Caller& caller) {
  if (!has_no_name(fd)) {
    return false;
  }
  const std::uint64_t named_at = inodes_.named_at(node);
  if (named_at == 0) {
    return false;
  }
  const auto way = lost_names_.way_of(caller.thread, node, named_at);
  if (way == LostNames::Way::kByName || (way == LostNames::Way::kByLink && is_open)) {
    return false;
  }
  tell_lost_name(node, caller);
  return true;
}

void FileSystem::tell_lost_name(NodeId node, const Caller& caller) {
  lost_names_.tell(caller.thread, node, inodes_.parent_of(node), [&] { return inodes_.now(); });
}

Result<OpenedFile> FileSystem::add_file(NodeId node, SharedFd fd, int flags, const Caller& caller) {
  lost_names_.forget(caller.thread);
  if (keeps_noexec_ && (flags & kToExecute) != 0 && is_noexec(fd->get())) {
    return std::unexpected(Error::from_errno(EACCES, "execute a file where that is forbidden"));
  }
  const auto inode = open_inodes_.open(node, [&] { return create_open_inode(fd, flags, caller); });
  // Who is the first to lock by way of a handle that only reads is seen to give back at its last
  // close, which the daemon hears of a moment later.
  const bool only_reads = (flags & O_ACCMODE) == O_RDONLY;
  OpenedFile opened{.handle = {},
                    .path = inode->path(),
                    .backing = inode->backing(),
                    .keep_pages = false,
                    .is_changing = recent_changes_.contains(node),
                    .begins_to_be_mapped = false,
                    .needs_flush = !only_reads || files_with_locks_.contains(node)};
  if (opened.path != ReadPath::kPassthrough && checks_versions_) {
    const auto attributes = Source::attributes(fd->get());
    opened.keep_pages = attributes && inodes_.exchange_version(node, file_version(*attributes));
  }
  const bool appends_only = keeps_append(fd->get(), flags);
  const bool may_be_mapped = opened.path == ReadPath::kPassthrough && (flags & O_ACCMODE) == O_RDWR;
  opened.begins_to_be_mapped = may_be_mapped && mappings_.note_open(node);
  opened.handle = files_.insert(std::make_shared<OpenFile>(
      node, inode, std::move(fd), flags, caller, appends_only, may_be_mapped, opened.needs_flush));
  return opened;
}

// The read path is settled here, at the first open, until the last release. What is shared by
// readers, mapped or registered can't write, so that it doesn't outlive the writer's as such.
std::shared_ptr<OpenInode> FileSystem::create_open_inode(SharedFd fd, int flags,
                                                         const Caller& opener) {
  const int access_mode = flags & O_ACCMODE;
  if (access_mode != O_RDONLY) {
    if (auto reading = source_.reopen(fd->get(), O_RDONLY | O_NONBLOCK)) {
      fd = std::make_shared<const UniqueFd>(std::move(*reading));
    }
  }
  const auto nested = nested_identity(fd->get());
  if (read_path_ == ReadPath::kPassthrough) {
    if (const auto id = backings_.open(fd->get(), opener)) {
      return std::make_shared<OpenInode>(std::move(fd), access_mode, ReadPath::kPassthrough,
                                         Backing(backings_, *id), opener, cache_, nested);
    }
  }
  const ReadPath path = read_path_ == ReadPath::kPlain ? ReadPath::kPlain : ReadPath::kMapped;
  const auto advice = advice_of(fd->get());
  if (path == ReadPath::kPlain && advice != mmapdir::Advice::kNormal) {
    // It may fail, as any advice.
    [[maybe_unused]] const auto advised = mmapdir::advise_file(fd->get(), {}, advice);
  }
  return std::make_shared<OpenInode>(std::move(fd), access_mode, path, Backing(), opener, cache_,
                                     nested, advice);
}

std::optional<SourceIdentity> FileSystem::nested_identity(int fd) const {
  const auto attributes = Source::attributes(fd);
  return attributes && source_.mount_of(*attributes) != kRootMount
             ? std::optional(identity_of(*attributes))
             : std::nullopt;
}

mmapdir::Advice FileSystem::advice_of(int fd) const {
  const auto path = advice_.empty() ? std::nullopt : source_.path_of(fd);
  return path ? advice_for(advice_, *path) : mmapdir::Advice::kNormal;
}

Result<CreatedFile> FileSystem::create(NodeId parent, const char* name, mode_t mode, int flags,
                                       const Caller& caller) {
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(place.error());
  }
  const auto directory = reach_for_name(parent, name);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  // Always exclusive: whether the caller may open a file that is there isn't for us to judge.
  const int exclusive = (flags & ~O_TRUNC) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  place->reset();
  UniqueFd created = acting_as(caller, (mode & S_ISGID) != 0, [&] {
    return UniqueFd(::openat((*directory)->get(), name, exclusive, mode));
  });
  if (!created) {
    const bool may_exist = errno == EEXIST && (flags & O_EXCL) == 0;
    return std::unexpected(Error::from_errno(may_exist ? ESTALE : errno, "create", name));
  }
  return add_created(parent, name, std::move(created), flags, caller);
}

Result<CreatedFile> FileSystem::tmpfile(NodeId parent, mode_t mode, int flags,
                                        const Caller& caller) {
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(place.error());
  }
  const auto directory = reach(parent);
  if (!directory) {
    return std::unexpected(directory.error());
  }
  const int nameless = (flags & ~(O_CREAT | O_NOFOLLOW)) | O_TMPFILE;
  place->reset();
  auto created = acting_as(caller, (mode & S_ISGID) != 0,
                           [&] { return source_.reopen((*directory)->get(), nameless, mode); });
  if (!created) {
    return std::unexpected(created.error());
  }
  return add_created(parent, "", std::move(*created), flags, caller);
}

Result<CreatedFile> FileSystem::add_created(NodeId parent, const char* name, UniqueFd created,
                                            int flags, const Caller& caller) {
  const auto fd = std::make_shared<const UniqueFd>(std::move(created));
  drop_followed_flags(fd->get(), flags);
  auto entry = inodes_.adopt(parent, fd->get(), name);
  if (!entry) {
    return std::unexpected(entry.error());
  }
  complete(*entry);
  const auto file = add_file(entry->node, fd, flags, caller);
  if (!file) {
    inodes_.forget(entry->node, 1);
    return std::unexpected(file.error());
  }
  entry->may_be_mapped = mappings_.contains(entry->node);
  return CreatedFile{.entry = *entry, .file = *file};
}

Result<ReadView> FileSystem::read(HandleId handle, std::uint64_t offset, std::size_t length,
                                  std::vector<std::byte>& scratch) {
  mmapdir::MappingRef mapping;
  const auto file = files_.find(handle, [&](const OpenFile& found) { mapping = found.mapping; });
  if (!file) {
    return std::unexpected(file.error());
  }
  const auto* const known = mapping.get();
  const OpenInode& inode = *(*file)->inode;
  const SharedFd fd = inode.is_readable() ? inode.fd() : (*file)->descriptor.get();
  auto view = inode.read(fd->get(), offset, length, mapping, scratch);
  if (mapping.get() != known) {  // the one that it replaces goes without the lock
    const auto kept = files_.find(handle, [&](OpenFile& found) { found.mapping.swap(mapping); });
  }
  if (view) {
    view->is_passed_through = inode.path() == ReadPath::kPassthrough;
    (*file)->inode->note_read(view->bytes.size());
  }
  return view;
}

// What is appended goes to the end of the source's file, wherever the kernel believes that to be.
// In the caller's name, who without CAP_FSETID takes set-user-id and set-group-id bits away, and
// without CAP_SYS_RESOURCE keeps within quotas. What was stored in a mapping takes no such bits
// away on the source either, when it is written back.
Result<std::size_t> FileSystem::write(HandleId handle, std::uint64_t offset,
                                      std::span<const std::byte> bytes, WriteMode mode,
                                      const std::optional<Caller>& caller) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  if ((*file)->appends_only && (mode.flags & O_APPEND) == 0) {
    return std::unexpected(Error::from_errno(EPERM, "write where only appending is allowed"));
  }
  const auto descriptor = (*file)->descriptor.for_writing();
  if (!descriptor) {
    return std::unexpected(descriptor.error());
  }
  const int fd = (*descriptor)->get();
  const Caller writer = caller.value_or((*file)->opener);
  const InGroupsOf in_groups(writer, caller && needs_groups(writer, fd));
  const ActingAs acting(writer, bits_after_write(mode, caller.has_value()));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const iovec left{.iov_base = const_cast<std::byte*>(bytes.data() + done),
                     .iov_len = bytes.size() - done};
    const ssize_t n = mmapdir::retry_interrupted([&] {
      return ::pwritev2(fd, &left, 1, static_cast<off_t>(offset + done), write_flags(mode.flags));
    });
    if (n < 0 && done == 0) {
      return std::unexpected(Error::from_errno(errno, "write"));
    }
    if (n <= 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<void> FileSystem::fallocate(HandleId handle, int mode, off_t offset, off_t length,
                                   const Caller& caller) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const auto descriptor = (*file)->descriptor.for_writing();
  if (!descriptor) {
    return std::unexpected(descriptor.error());
  }
  const int fd = (*descriptor)->get();
  const InGroupsOf in_groups(caller, needs_groups(caller, fd));
  const ActingAs acting(caller);
  if (mmapdir::retry_interrupted([&] { return ::fallocate(fd, mode, offset, length); }) != 0) {
    return std::unexpected(Error::from_errno(errno, "allocate"));
  }
  return {};
}

Result<std::size_t> FileSystem::copy_file_range(HandleId from, off_t from_offset, HandleId to,
                                                off_t to_offset, std::size_t length,
                                                const Caller& caller) {
  const auto source = files_.find(from);
  const auto target = files_.find(to);
  if (!source || !target) {
    return std::unexpected(source ? target.error() : source.error());
  }
  const SharedFd in = (*source)->descriptor.get();
  const auto out = (*target)->descriptor.for_writing();
  if (!out) {
    return std::unexpected(out.error());
  }
  const InGroupsOf in_groups(caller, needs_groups(caller, (*out)->get()));
  const ActingAs acting(caller);
  const ssize_t n =
      ::copy_file_range(in->get(), &from_offset, (*out)->get(), &to_offset, length, 0);
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "copy a range"));
  }
  return static_cast<std::size_t>(n);
}

// Closing a duplicate makes a file system that reports late (NFS, quotas) report now.
Result<void> FileSystem::flush(HandleId handle, LockOwner owner) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  note_close(**file, handle, owner);
  const int duplicate = ::dup((*file)->descriptor.get()->get());
  if (duplicate < 0 || (::close(duplicate) != 0 && errno != EINTR)) {
    return std::unexpected(Error::from_errno(errno, "close"));
  }
  if ((*file)->may_write()) {
    (*file)->descriptor.give_up_writing((*file)->inode->fd());
  }
  return {};
}

// Moves the shared descriptor's position, which nothing else looks at.
Result<off_t> FileSystem::lseek(HandleId handle, off_t offset, int whence) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const off_t found = ::lseek((*file)->descriptor.get()->get(), offset, whence);
  if (found < 0) {
    return std::unexpected(Error::from_errno(errno, "seek"));
  }
  return found;
}

Result<void> FileSystem::fsync(HandleId handle, bool data_only) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  OpenInode& inode = *(*file)->inode;
  const SharedFd fd = (*file)->descriptor.get();
  int errnum = (data_only ? ::fdatasync(fd->get()) : ::fsync(fd->get())) == 0 ? 0 : errno;
  if (fd == inode.fd()) {
    const auto failed = errnum == 0 ? inode.failed_syncs() : inode.note_failed_sync(errnum);
    if ((*file)->seen_failed_syncs.exchange(failed.count) != failed.count) {
      errnum = failed.last_errnum;
    }
  }
  if (errnum != 0) {
    return std::unexpected(Error::from_errno(errnum, "sync"));
  }
  return {};
}

void FileSystem::release(HandleId handle) {
  auto file = files_.remove(handle);
  if (!file) {
    return;
  }
  const NodeId node = file->node;
  for (const LockOwner owner : *file->lock_owners.lock()) {
    locks_.release_handle({.node = node, .owner = owner, .handle = handle});
  }
  auto inode = file->inode;
  if (file->may_be_mapped) {
    mappings_.note_close(node);
  }
  file.reset();
  late_releases_.settle(node, handle);
  const bool is_last = inode.use_count() == 1;
  if (is_last && inode->only_reads() && !inode->is_nested() &&
      (owns_source_ || inodes_.is_watched(node))) {
    keep(node, inode);
  }
  inode.reset();
  open_inodes_.prune(node);
}

// A release may come late: what would take the inode out again, its deletion or the kernel's having
// forgotten it, may be over already.
void FileSystem::keep(NodeId node, const std::shared_ptr<OpenInode>& inode) {
  kept_inodes_.keep(node, inode);
  if (!inodes_.is_known(node) || has_no_name(inode->fd()->get())) {
    kept_inodes_.drop(node);
  }
}

}  // namespace mmapdirfs
