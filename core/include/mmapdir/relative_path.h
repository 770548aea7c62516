// SPDX-License-Identifier: MIT
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "mmapdir/result.h"

namespace mmapdir {

// A path beneath a root, known to be sound: components divided by single slashes, none of them
// empty, "." or "..", none longer than 255 bytes, no NUL anywhere. So it can't lead out of the root
// by itself (a symbolic link on the way still could: that is for who resolves it).
//
// The empty path names the root. The length of a whole path has no limit; PATH_MAX is one of a
// system call's argument. Bytes are bytes: no encoding is assumed, no case folded.
//
// A value type.
class RelativePath {
 public:
  // NAME_MAX of linux/limits.h.
  static constexpr std::size_t kMaxComponentBytes = 255;

  // The root.
  RelativePath() = default;

  // Errors: EINVAL; ENAMETOOLONG for a component of more than kMaxComponentBytes.
  static Result<RelativePath> parse(std::string_view text);

  bool is_root() const { return text_.empty(); }

  // As parsed, and good for a system call beneath the root, unless it is the root.
  const std::string& string() const { return text_; }

  // The last component; empty for the root. Valid as long as this path.
  std::string_view filename() const;

  // All but the last component; the root for the root.
  RelativePath parent() const;

  // `path` beneath this one.
  RelativePath operator/(const RelativePath& path) const;

  // Ordered by bytes.
  auto operator<=>(const RelativePath&) const = default;

 private:
  explicit RelativePath(std::string checked) : text_(std::move(checked)) {}

  std::string text_;
};

}  // namespace mmapdir

template <>
struct std::hash<mmapdir::RelativePath> {
  std::size_t operator()(const mmapdir::RelativePath& path) const noexcept {
    return std::hash<std::string>{}(path.string());
  }
};
