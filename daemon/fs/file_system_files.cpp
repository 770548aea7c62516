// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <optional>
#include <utility>

#include "fs/file_system.h"
#include "fs/file_version.h"

namespace mmapdirfs {
namespace {

std::int64_t now_in_nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return (now.tv_sec * 1'000'000'000) + now.tv_nsec;
}

// O_DIRECT and O_APPEND have to be the source's to have, which its open has told, but not the
// daemon's descriptor's: requests arrive in buffers that aren't aligned for the one, and say
// themselves where they write (see WriteTo).
void keep_from_descriptor(int fd, int flags) {
  if ((flags & O_DIRECT) != 0) {
    ::fcntl(fd, F_SETFL, flags & ~O_DIRECT);  // clearing it can't fail
  }
  if ((flags & O_APPEND) != 0) {
    ::fcntl(fd, F_SETFL, flags & ~(O_DIRECT | O_APPEND));  // a file that can but grow keeps it
  }
}

ssize_t write_once(int fd, WriteTo where, std::span<const std::byte> bytes, off_t offset) {
  if (where == WriteTo::kOffset) {
    return ::pwrite(fd, bytes.data(), bytes.size(), offset);
  }
  const iovec piece{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  return ::pwritev2(fd, &piece, 1, offset, RWF_APPEND);
}

}  // namespace

Result<OpenedFile> FileSystem::open(NodeId node, int flags, const Caller& caller) {
  const bool only_reads = (flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY;
  if (!only_reads && access_ == Access::kReadOnly) {
    return std::unexpected(Error::from_errno(EROFS, "open for writing"));
  }
  if (const auto inode = open_inodes_.find(node); only_reads && inode && inode->is_readable()) {
    return add_file(node, inode->fd(), flags);
  }
  auto place = hold_place_for_descriptor();
  if (!place) {
    return std::unexpected(place.error());
  }
  const auto path_fd = reach(node);
  if (!path_fd) {
    return std::unexpected(path_fd.error());
  }
  // O_NONBLOCK: a file that was a regular one at lookup and is a fifo now must not stop a thread.
  const int reopening = (flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_NONBLOCK;
  place->reset();
  auto fd = acting_as(caller, [&] { return source_.reopen((*path_fd)->get(), reopening); });
  if (!fd) {
    return std::unexpected(fd.error());
  }
  keep_from_descriptor(fd->get(), flags);
  return add_file(node, std::make_shared<const UniqueFd>(std::move(*fd)), flags);
}

Result<OpenedFile> FileSystem::add_file(NodeId node, SharedFd fd, int flags) {
  const bool is_readable = (flags & O_ACCMODE) != O_WRONLY;
  const auto inode = open_inodes_.open(node, [&] { return create_open_inode(fd, is_readable); });
  OpenedFile opened{
      .handle = {}, .path = inode->path(), .backing = inode->backing(), .keep_pages = false};
  if (opened.path != ReadPath::kPassthrough) {
    const auto attributes = Source::attributes(fd->get());
    opened.keep_pages = attributes && inodes_.exchange_version(
                                          node, file_version(*attributes, now_in_nanoseconds()));
  }
  opened.handle = files_.insert(std::make_shared<OpenFile>(node, inode, std::move(fd)));
  return opened;
}

// The read path is settled here, at the first open, until the last release.
std::shared_ptr<OpenInode> FileSystem::create_open_inode(SharedFd fd, bool is_readable) {
  if (read_path_ == ReadPath::kPassthrough) {
    if (const auto id = backings_.open(fd->get())) {
      return std::make_shared<OpenInode>(std::move(fd), is_readable, ReadPath::kPassthrough,
                                         Backing(backings_, *id), cache_);
    }
  }
  const ReadPath path = read_path_ == ReadPath::kPlain ? ReadPath::kPlain : ReadPath::kMapped;
  return std::make_shared<OpenInode>(std::move(fd), is_readable, path, Backing(), cache_);
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
  UniqueFd created = acting_as(
      caller, [&] { return UniqueFd(::openat((*directory)->get(), name, exclusive, mode)); });
  if (!created) {
    const bool may_exist = errno == EEXIST && (flags & O_EXCL) == 0;
    return std::unexpected(Error::from_errno(may_exist ? ESTALE : errno, "create", name));
  }
  return add_created(parent, name, std::move(created), flags);
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
  auto created =
      acting_as(caller, [&] { return source_.reopen((*directory)->get(), nameless, mode); });
  if (!created) {
    return std::unexpected(created.error());
  }
  return add_created(parent, "", std::move(*created), flags);
}

Result<CreatedFile> FileSystem::add_created(NodeId parent, const char* name, UniqueFd created,
                                            int flags) {
  const auto fd = std::make_shared<const UniqueFd>(std::move(created));
  keep_from_descriptor(fd->get(), flags);
  auto entry = inodes_.adopt(parent, fd->get(), name);
  if (!entry) {
    return std::unexpected(entry.error());
  }
  show(entry->attributes);
  const auto file = add_file(entry->node, fd, flags);
  if (!file) {
    inodes_.forget(entry->node, 1);
    return std::unexpected(file.error());
  }
  return CreatedFile{.entry = *entry, .file = *file};
}

Result<ReadView> FileSystem::read(HandleId handle, std::uint64_t offset, std::size_t length,
                                  std::vector<std::byte>& scratch) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  return (*file)->inode->read((*file)->fd->get(), offset, length, scratch);
}

// What is appended goes to the end of the source's file, wherever the kernel believes that to be.
Result<std::size_t> FileSystem::write(HandleId handle, WriteTo where, std::uint64_t offset,
                                      std::span<const std::byte> bytes, bool kill_privileges,
                                      const Caller& caller) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::optional<ActingAs> acting;
  if (kill_privileges) {
    acting.emplace(caller);  // without CAP_FSETID the source's kernel takes the bits away
  }
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write_once((*file)->fd->get(), where, bytes.subspan(done),
                                 static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n == 0 || done > 0) {
      break;
    } else {
      return std::unexpected(Error::from_errno(errno, "write"));
    }
  }
  return done;
}

Result<void> FileSystem::fallocate(HandleId handle, int mode, off_t offset, off_t length,
                                   const Caller& caller) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const ActingAs acting(caller);
  int result = 0;
  do {
    result = ::fallocate((*file)->fd->get(), mode, offset, length);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
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
  const ActingAs acting(caller);
  const ssize_t n = ::copy_file_range((*source)->fd->get(), &from_offset, (*target)->fd->get(),
                                      &to_offset, length, 0);
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
  locks_.release((*file)->node, owner);
  const int duplicate = ::dup((*file)->fd->get());
  if (duplicate < 0 || (::close(duplicate) != 0 && errno != EINTR)) {
    return std::unexpected(Error::from_errno(errno, "close"));
  }
  return {};
}

// Moves the shared descriptor's position, which nothing else looks at.
Result<off_t> FileSystem::lseek(HandleId handle, off_t offset, int whence) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const off_t found = ::lseek((*file)->fd->get(), offset, whence);
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
  const int fd = (*file)->fd->get();
  if ((data_only ? ::fdatasync(fd) : ::fsync(fd)) != 0) {
    return std::unexpected(Error::from_errno(errno, "sync"));
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
    locks_.release(node, owner);
  }
  file.reset();
  open_inodes_.prune(node);
}

}  // namespace mmapdirfs
