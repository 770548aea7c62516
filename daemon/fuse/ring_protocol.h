// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The kernel's side of FUSE over io_uring, by include/uapi/linux/fuse.h of Linux 6.14 (protocol
// 7.42): Debian 12's headers and libfuse's don't have it.
namespace mmapdirfs::ring {

// In the second halves of the flags of INIT and of its answer: FUSE_OVER_IO_URING >> 32.
inline constexpr std::uint32_t kOverIoUring = 1U << 9U;

enum class Command : std::uint32_t {
  kRegister = 1,        // here is an entry; answered once it holds a request
  kCommitAndFetch = 2,  // the entry holds an answer; answered once it holds the next request
};

// In the last 80 bytes of an SQE of 128.
struct CommandArguments {
  std::uint64_t flags;
  std::uint64_t commit_id;  // of the request that is answered
  std::uint16_t queue;
  std::array<std::byte, 6> padding;
};
static_assert(sizeof(CommandArguments) == 24);

struct PayloadDescription {
  std::uint64_t flags;
  std::uint64_t commit_id;
  std::uint32_t size;
  std::uint32_t padding;
  std::uint64_t reserved;
};

// The first of an entry's two buffers. The second holds the rest of a request or of its answer: all
// that follows the operation's own fixed structure, and all that follows fuse_out_header.
struct EntryHeader {
  std::array<std::byte, 128> in_out;     // fuse_in_header, then fuse_out_header
  std::array<std::byte, 128> operation;  // the operation's fixed structure, where it has one
  PayloadDescription payload;
};
static_assert(sizeof(EntryHeader) == 288);

}  // namespace mmapdirfs::ring
