// SPDX-License-Identifier: MIT
#include "fs/directory_stream.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>

namespace mmapdirfs {

Result<bool> DirectoryStream::fill(std::uint64_t cookie) {
  if (cookie != position_ && ::lseek(fd_.get(), static_cast<off_t>(cookie), SEEK_SET) < 0) {
    // A place that was there when it was told: ext4 has another one for the end when a directory
    // changes its form.
    if (errno == EINVAL) {
      return false;
    }
    return std::unexpected(Error::from_errno(errno, "seek in the directory"));
  }
  position_ = cookie;
  begin_ = 0;
  end_ = 0;
  const ssize_t n = ::getdents64(fd_.get(), buffer_.data(), buffer_.size());
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "list"));
  }
  end_ = static_cast<std::size_t>(n);
  return n > 0;
}

Result<const DirectoryEntry*> DirectoryStream::next(std::uint64_t cookie) {
  // An entry that found no room in the answer before. Never the first: from the beginning means
  // afresh (rewinddir).
  if (cookie != 0 && cookie == entry_cookie_ && begin_ > 0) {
    return &entry_;
  }
  if (cookie != position_ || begin_ == end_) {
    const auto filled = fill(cookie);
    if (!filled) {
      return std::unexpected(filled.error());
    }
    if (!*filled) {
      return nullptr;
    }
  }
  const auto* raw = reinterpret_cast<const dirent64*>(buffer_.data() + begin_);
  begin_ += raw->d_reclen;
  position_ = static_cast<std::uint64_t>(raw->d_off);
  entry_ = {.name = raw->d_name,
            .inode = raw->d_ino,
            .type = static_cast<mode_t>(DTTOIF(raw->d_type)),
            .next = position_};
  entry_cookie_ = cookie;
  return &entry_;
}

}  // namespace mmapdirfs
