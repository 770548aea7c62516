// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "fs/directory_cookies.h"
#include "fs/types.h"

namespace mmapdirfs {

// One name of a listing. `name` points into the stream and is good until its next call.
struct DirectoryEntry {
  const char* name;
  std::uint64_t inode;  // on the source; FileSystem turns it into the number shown
  mode_t type;          // S_IFMT bits; 0 where the source doesn't tell
  std::uint64_t next;   // the cookie from which the listing goes on after this name
};

// An open directory. Cookies stand for the source file system's own positions (see
// DirectoryCookies), so telldir and seekdir mean on the mount what they mean on the source, also
// across a change.
//
// A resource type: owns the descriptor. Take `turn` for a whole series of calls: the position and
// the buffer belong to whoever holds it.
class DirectoryStream {
 public:
  // `device` is the directory's, for whoever shows the inode numbers of its entries.
  // `cookies` are the directory's.
  explicit DirectoryStream(
      UniqueFd fd, dev_t device = 0,
      std::shared_ptr<DirectoryCookies> cookies = std::make_shared<DirectoryCookies>());

  std::unique_lock<std::mutex> turn() { return std::unique_lock(mutex_); }

  // The entry at the cookie; null at the end. Going on where the last entry ended, or asking for
  // the last entry once more, costs a system call only when the buffer is used up.
  Result<const DirectoryEntry*> next(std::uint64_t cookie);

  int fd() const { return fd_.get(); }
  dev_t device() const { return device_; }

 private:
  static constexpr std::size_t kBufferSize = 32768;  // what glibc's readdir reads at once

  Result<bool> go_to(std::uint64_t cookie);
  Result<bool> fill(std::uint64_t position);
  void learn_form();

  const UniqueFd fd_;
  const dev_t device_;
  const std::shared_ptr<DirectoryCookies> cookies_;
  const bool may_be_hashed_;  // its file system is ext4
  std::mutex mutex_;
  // Guarded by mutex_, which turn() hands out.
  alignas(std::uint64_t) std::array<char, kBufferSize> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t position_ = 0;  // the source's, of what begins at begin_
  std::uint64_t cookie_ = 0;    // the same as a cookie
  bool knows_form_ = false;     // whether positions are hashes
  DirectoryEntry entry_{};      // the last one answered
  std::uint64_t entry_cookie_ = 0;
};

}  // namespace mmapdirfs
