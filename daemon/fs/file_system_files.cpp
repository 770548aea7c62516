// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
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

}  // namespace

Result<OpenedFile> FileSystem::open(NodeId node, int flags) {
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) {
    return std::unexpected(Error::from_errno(EROFS, "open for writing"));
  }
  auto inode = open_inodes_.open(node, [&] { return create_open_inode(node); });
  if (!inode) {
    return std::unexpected(inode.error());
  }
  OpenedFile opened{
      .handle = {}, .path = (*inode)->path(), .backing = (*inode)->backing(), .keep_pages = false};
  if (opened.path != ReadPath::kPassthrough) {
    const auto attributes = Source::attributes((*inode)->fd()->get());
    opened.keep_pages = attributes && inodes_.exchange_version(
                                          node, file_version(*attributes, now_in_nanoseconds()));
  }
  opened.handle =
      files_.insert(std::make_shared<OpenFile>(OpenFile{.node = node, .inode = *std::move(inode)}));
  return opened;
}

// The read path is settled here, at the first open, until the last release.
Result<std::shared_ptr<OpenInode>> FileSystem::create_open_inode(NodeId node) {
  const auto path_fd = inodes_.reach(node);
  if (!path_fd) {
    return std::unexpected(path_fd.error());
  }
  // O_NONBLOCK: a file that was a regular one at lookup and is a fifo now must not stop a thread.
  auto fd = source_.reopen((*path_fd)->get(), O_RDONLY | O_NONBLOCK);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  if (read_path_ == ReadPath::kPassthrough) {
    if (const auto id = backings_.open(fd->get())) {
      return std::make_shared<OpenInode>(std::move(*fd), ReadPath::kPassthrough,
                                         Backing(backings_, *id), cache_);
    }
  }
  const ReadPath path = read_path_ == ReadPath::kPlain ? ReadPath::kPlain : ReadPath::kMapped;
  return std::make_shared<OpenInode>(std::move(*fd), path, Backing(), cache_);
}

Result<ReadView> FileSystem::read(HandleId handle, std::uint64_t offset, std::size_t length,
                                  std::vector<std::byte>& scratch) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  return (*file)->inode->read(offset, length, scratch);
}

// Moves the shared descriptor's position, which nothing else looks at.
Result<off_t> FileSystem::lseek(HandleId handle, off_t offset, int whence) {
  const auto file = files_.find(handle);
  if (!file) {
    return std::unexpected(file.error());
  }
  const off_t found = ::lseek((*file)->inode->fd()->get(), offset, whence);
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
  const int fd = (*file)->inode->fd()->get();
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
  file.reset();
  open_inodes_.prune(node);
}

}  // namespace mmapdirfs
