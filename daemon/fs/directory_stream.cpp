// SPDX-License-Identifier: MIT
#include "fs/directory_stream.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace mmapdirfs {
namespace {

bool is_on_ext4(int fd) {
  struct statfs found{};
  return ::fstatfs(fd, &found) == 0 && found.f_type == EXT4_SUPER_MAGIC;
}

}  // namespace

DirectoryStream::DirectoryStream(UniqueFd fd, dev_t device,
                                 std::shared_ptr<DirectoryCookies> cookies)
    : fd_(std::move(fd)),
      device_(device),
      cookies_(std::move(cookies)),
      may_be_hashed_(is_on_ext4(fd_.get())),
      knows_form_(!may_be_hashed_ || cookies_->is_hashed()) {}

// From the middle of a directory that nobody has listed from its beginning yet, its beginning is
// read first: the same number is another place in each of ext4's two forms.
Result<bool> DirectoryStream::go_to(std::uint64_t cookie) {
  if (cookie == cookie_ && (cookie == 0 || knows_form_)) {
    return fill(position_);
  }
  if (cookie != 0 && !knows_form_) {
    const auto filled = fill(0);
    cookie_ = 0;
    if (!filled) {
      return filled;
    }
  }
  const std::uint64_t position = cookies_->position_of(cookie);
  const auto filled = fill(position);
  if (position_ == position) {
    cookie_ = cookie;
  }
  return filled;
}

// "." and ".." come first, and of hashed positions that of ".." is beyond 2^31; so are all others
// but those of names whose upper half is zero.
void DirectoryStream::learn_form() {
  for (std::size_t at = begin_; at < end_ && !knows_form_;) {
    const auto* raw = reinterpret_cast<const dirent64*>(buffer_.data() + at);
    if (static_cast<std::uint64_t>(raw->d_off) > DirectoryCookies::kMax) {
      cookies_->note_hashed();
      knows_form_ = true;
    }
    at += raw->d_reclen;
  }
  knows_form_ = true;
}

Result<bool> DirectoryStream::fill(std::uint64_t position) {
  if (position != position_ && ::lseek(fd_.get(), static_cast<off_t>(position), SEEK_SET) < 0) {
    // A place that was there when it was told: ext4 has another one for the end when a directory
    // changes its form.
    if (errno == EINVAL) {
      return false;
    }
    return std::unexpected(Error::from_errno(errno, "seek in the directory"));
  }
  position_ = position;
  begin_ = 0;
  end_ = 0;
  const ssize_t n = ::getdents64(fd_.get(), buffer_.data(), buffer_.size());
  if (n < 0) {
    return std::unexpected(Error::from_errno(errno, "list"));
  }
  end_ = static_cast<std::size_t>(n);
  if (position == 0) {
    learn_form();
  }
  return n > 0;
}

Result<const DirectoryEntry*> DirectoryStream::next(std::uint64_t cookie) {
  // An entry that found no room in the answer before. Never the first: from the beginning means
  // afresh (rewinddir).
  if (cookie != 0 && cookie == entry_cookie_ && begin_ > 0) {
    return &entry_;
  }
  if (cookie != cookie_ || begin_ == end_) {
    const auto filled = go_to(cookie);
    if (!filled) {
      return std::unexpected(filled.error());
    }
    if (!*filled) {
      return nullptr;
    }
  }
  const auto* raw = reinterpret_cast<const dirent64*>(buffer_.data() + begin_);
  begin_ += raw->d_reclen;
  const std::uint64_t before = std::exchange(position_, static_cast<std::uint64_t>(raw->d_off));
  cookie_ = cookies_->cookie_of(before, position_);
  entry_ = {.name = raw->d_name,
            .inode = raw->d_ino,
            .type = static_cast<mode_t>(DTTOIF(raw->d_type)),
            .next = cookie_};
  entry_cookie_ = cookie;
  return &entry_;
}

}  // namespace mmapdirfs
