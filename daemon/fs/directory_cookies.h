// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// The cookies of a directory's listing: numbers below 2^31, which a program of 32 bits can take,
// for the source's positions.
//
// Positions of ext4 are 64-bit hashes; their upper half is below 2^31. That half is the cookie
// where a name is the first with it, since going to the half alone leads to the first such name: it
// needs no memory, and means the same as long as the directory lasts. The second and later names
// with the same half (two or three pairs among 100,000 names) get cookies that are remembered.
// Positions of other file systems are passed on as they are.
//
//   DirectoryCookies cookies;
//   cookies.note_hashed();                                   // the positions are ext4's
//   auto cookie = cookies.cookie_of(position, next_position);  // where the listing goes on
//   lseek(fd, cookies.position_of(cookie), SEEK_SET);
//
// One for a directory, whoever lists it. Any thread may call.
class DirectoryCookies {
 public:
  static constexpr std::uint64_t kMax = 0x7fff'ffff;

  bool is_hashed() const { return is_hashed_; }
  void note_hashed() { is_hashed_ = true; }

  // The cookie for `position`, which comes after the name at `before` in a listing.
  std::uint64_t cookie_of(std::uint64_t before, std::uint64_t position);
  std::uint64_t position_of(std::uint64_t cookie) const;

  // Whether there is anything that couldn't be found out again.
  bool remembers_any() const { return remembered_ > 0; }

 private:
  struct Remembered {
    std::unordered_map<std::uint64_t, std::uint64_t> cookies;    // by position
    std::unordered_map<std::uint64_t, std::uint64_t> positions;  // by cookie
  };

  static std::uint64_t remember(Remembered& remembered, std::uint64_t position);

  std::atomic<bool> is_hashed_ = false;
  std::atomic<std::size_t> remembered_ = 0;
  mutable mmapdir::Guarded<Remembered> names_;
};

// The cookies of each directory that is being listed, or has remembered ones that the kernel may
// still come with. Any thread may call.
class CookiesOfDirectories {
 public:
  using Shared = std::shared_ptr<DirectoryCookies>;

  Shared of(NodeId directory);

  // A listing has ended.
  void release(NodeId directory);

  // The kernel doesn't know the directory any more.
  void forget(NodeId directory);

 private:
  std::atomic<std::size_t> count_ = 0;
  mmapdir::Guarded<std::unordered_map<NodeId, Shared>> directories_;
};

}  // namespace mmapdirfs
