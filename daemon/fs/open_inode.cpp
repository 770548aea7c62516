// SPDX-License-Identifier: MIT
#include "fs/open_inode.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "support/retry_interrupted.h"

namespace mmapdirfs {
namespace {

Result<ReadView> read_plainly(int fd, std::uint64_t offset, std::size_t length,
                              std::vector<std::byte>& scratch) {
  scratch.resize(std::max(scratch.size(), length));
  std::size_t done = 0;
  while (done < length) {
    const ssize_t n = mmapdir::retry_interrupted([&] {
      return ::pread(fd, scratch.data() + done, length - done, static_cast<off_t>(offset + done));
    });
    if (n < 0) {
      return std::unexpected(Error::from_errno(errno, "read"));
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  return ReadView{.bytes = std::span(scratch).first(done), .owner = nullptr};
}

}  // namespace

OpenInode::~OpenInode() {
  if (nested_) {
    cache_.forget(nested_->device, nested_->inode);
  }
}

Result<ReadView> OpenInode::read(int fd, std::uint64_t offset, std::size_t length,
                                 mmapdir::MappingRef& mapping,
                                 std::vector<std::byte>& scratch) const {
  if (path_ != ReadPath::kMapped) {
    return read_plainly(fd, offset, length, scratch);
  }
  // The size must be the present one: a mapping doesn't shrink with its file, and what lies beyond
  // the end on its last page would be read as zeros.
  struct stat now{};
  if (::fstat(fd, &now) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat"));
  }
  const auto size = static_cast<std::uint64_t>(now.st_size);
  if (offset >= size) {
    return ReadView{};
  }
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(length, size - offset));
  if (reaches(mapping, fd, offset + count)) {
    const auto bytes = mapping->bytes().subspan(static_cast<std::size_t>(offset), count);
    return ReadView{.bytes = bytes, .owner = mapping};
  }
  return read_plainly(fd, offset, length, scratch);
}

OpenInode::FailedSyncs OpenInode::note_failed_sync(int errnum) {
  auto failed = failed_syncs_.lock();
  ++failed->count;
  failed->last_errnum = errnum;
  return *failed;
}

// Whether there is a mapping that reaches to `end`; the cache counts what it refused.
bool OpenInode::reaches(mmapdir::MappingRef& mapping, int fd, std::uint64_t end) const {
  if (!mapping || mapping->bytes().size() < end) {
    if (auto acquired = cache_.acquire(fd)) {
      mapping = *std::move(acquired);
      advise(*mapping);
    }
  }
  return mapping && mapping->bytes().size() >= end;
}

// What the kernel doesn't take is no loss: it is advice.
void OpenInode::advise(const mmapdir::Mapping& mapping) const {
  const std::uint64_t size = mapping.bytes().size();
  if (advice_ != mmapdir::Advice::kNormal && size > 0) {
    [[maybe_unused]] const auto advised =
        mmapdir::advise(mapping, {.offset = 0, .length = size}, advice_);
  }
}

std::shared_ptr<OpenInode> OpenInodes::find(NodeId node) const {
  auto inodes = inodes_.lock();
  const auto found = inodes->find(node);
  return found == inodes->end() ? nullptr : found->second.lock();
}

std::vector<std::pair<NodeId, SharedFd>> OpenInodes::descriptors() const {
  std::vector<std::pair<NodeId, SharedFd>> found;
  auto inodes = inodes_.lock();
  found.reserve(inodes->size());
  for (const auto& [node, inode] : *inodes) {
    if (const auto open = inode.lock()) {
      found.emplace_back(node, open->fd());
    }
  }
  return found;
}

std::vector<std::pair<NodeId, std::shared_ptr<OpenInode>>> OpenInodes::all() const {
  std::vector<std::pair<NodeId, std::shared_ptr<OpenInode>>> found;
  auto inodes = inodes_.lock();
  found.reserve(inodes->size());
  for (const auto& [node, inode] : *inodes) {
    if (auto open = inode.lock()) {
      found.emplace_back(node, std::move(open));
    }
  }
  return found;
}

void OpenInodes::prune(NodeId node) {
  auto inodes = inodes_.lock();
  const auto found = inodes->find(node);
  if (found != inodes->end() && found->second.expired()) {
    inodes->erase(found);
  }
}

std::size_t OpenInodes::size() const { return inodes_.lock()->size(); }

}  // namespace mmapdirfs
