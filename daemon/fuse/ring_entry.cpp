// SPDX-License-Identifier: MIT
#include "fuse/ring_entry.h"

#include <linux/fuse.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "mmapdir/guarded_copy.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPayloadOffset = 2 * kPage;

// Two pages and the payload. The first page is the header; the payload has room before it for the
// request's fixed parts, so that a request becomes one piece without its payload being copied.
std::byte* map_memory(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::bad_alloc();
  }
  // Most entries never hold more than a few KiB. The advice may fail: then it costs memory.
  ::madvise(memory, size, MADV_NOHUGEPAGE);
  return static_cast<std::byte*>(memory);
}

}  // namespace

void RingEntry::Unmap::operator()(std::byte* memory) const { ::munmap(memory, size); }

RingEntry::RingEntry(RingThread& owner, unsigned queue, std::size_t payload_size)
    : owner_(owner),
      queue_(queue),
      payload_size_(payload_size),
      memory_(map_memory(kPayloadOffset + payload_size), Unmap{kPayloadOffset + payload_size}),
      header_(new(memory_.get()) ring::EntryHeader),
      payload_(memory_.get() + kPayloadOffset),
      buffers_{iovec{.iov_base = header_, .iov_len = sizeof *header_},
               iovec{.iov_base = payload_, .iov_len = payload_size}} {}

std::span<std::byte> RingEntry::take_request() {
  fuse_in_header in{};
  std::memcpy(&in, header_->in_out.data(), sizeof in);
  commit_id_ = header_->payload.commit_id;
  unique_.store(in.unique);
  needs_no_answer_ = in.opcode == FUSE_FORGET || in.opcode == FUSE_BATCH_FORGET;
  const std::size_t fixed = in.len - header_->payload.size - sizeof in;
  std::byte* const operation = payload_ - fixed;
  std::memcpy(operation, header_->operation.data(), fixed);
  std::memcpy(operation - sizeof in, &in, sizeof in);
  return {operation - sizeof in, in.len};
}

void RingEntry::put_answer(std::span<const iovec> answer) {
  fuse_out_header out{};
  std::memcpy(&out, answer.front().iov_base, sizeof out);
  header_->payload.size = static_cast<std::uint32_t>(out.len - sizeof out);
  if (out.len - sizeof out > payload_size_ || !put_payload(answer.subspan(1))) {
    out.error = -EIO;
    header_->payload.size = 0;
  }
  std::memcpy(header_->in_out.data(), &out, sizeof out);
  unique_.store(0);
}

void RingEntry::put_completion() {
  fuse_out_header out{.len = sizeof out, .error = 0, .unique = unique_.load()};
  const iovec header{.iov_base = &out, .iov_len = sizeof out};
  put_answer(std::span(&header, 1));
}

bool RingEntry::put_payload(std::span<const iovec> pieces) {
  std::byte* to = payload_;
  for (const auto& piece : pieces) {
    const std::span from(static_cast<const std::byte*>(piece.iov_base), piece.iov_len);
    if (!mmapdir::guarded_copy(std::span(to, from.size()), from)) {
      return false;
    }
    to += from.size();
  }
  return true;
}

}  // namespace mmapdirfs
