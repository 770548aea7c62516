// SPDX-License-Identifier: MIT
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "fuse/ring_protocol.h"

namespace mmapdirfs {

class RingThread;

// Memory for one request at a time and its answer, shared with the kernel. A resource type; it
// must outlive the thread it is registered by.
//
// The kernel fills it, the thread that owns it hands the request on, whoever answers the request
// writes the answer, and the owner gives it back to the kernel: one at a time.
class RingEntry {
 public:
  // Throws std::bad_alloc. `queue` is the processor whose requests it takes.
  RingEntry(RingThread& owner, unsigned queue, std::size_t payload_size);
  RingEntry(const RingEntry&) = delete;
  RingEntry& operator=(const RingEntry&) = delete;
  ~RingEntry() = default;

  RingThread& owner() const { return owner_; }
  unsigned queue() const { return queue_; }

  // As the kernel wants to be told of the memory.
  std::span<const iovec, 2> buffers() const { return buffers_; }

  // The request that the kernel has put here, in one piece as /dev/fuse gives it; until it is
  // answered.
  std::span<std::byte> take_request();

  // Whether it holds the request of that number, still to be answered. Any thread may ask.
  bool awaits(std::uint64_t unique) const { return unique_.load() == unique; }

  // Whether the kernel expects nothing to be said of the request but that it was carried out:
  // FORGET, which it sends here where it couldn't use an entry of a listing, and then waits.
  bool needs_no_answer() const { return needs_no_answer_; }

  // Writes the answer that such a request is carried out.
  void put_completion();

  // What the kernel calls the request.
  std::uint64_t commit_id() const { return commit_id_; }

  // Writes the answer: a fuse_out_header and its rest, which may lie in mappings of files that are
  // being truncated; the answer is EIO then.
  void put_answer(std::span<const iovec> answer);

 private:
  struct Unmap {
    std::size_t size;
    void operator()(std::byte* memory) const;
  };

  bool put_payload(std::span<const iovec> pieces);

  RingThread& owner_;
  const unsigned queue_;
  const std::size_t payload_size_;
  const std::unique_ptr<std::byte, Unmap> memory_;
  ring::EntryHeader* const header_;  // in memory_
  std::byte* const payload_;         // likewise
  const std::array<iovec, 2> buffers_;
  std::uint64_t commit_id_ = 0;
  bool needs_no_answer_ = false;
  std::atomic<std::uint64_t> unique_ = 0;
};

}  // namespace mmapdirfs
