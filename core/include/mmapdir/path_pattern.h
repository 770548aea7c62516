// SPDX-License-Identifier: MIT
#pragma once

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mmapdir/result.h"

namespace mmapdir {

// A glob for paths relative to a root, compiled once.
//
//   *      any bytes but '/', also none
//   ?      one byte but '/'
//   [a-z]  one byte of the set, which never holds '/'; [!a-z] and [^a-z] one not in it. A ']' that
//          comes first belongs to the set.
//   **     any bytes, '/' too; a component "**" stands for any number of directories, also none:
//          "a/**/b" matches "a/b"
//   \c     the byte c itself
//
// As in gitignore(5), a pattern without '/' matches in every directory, and a leading '/' binds it
// to the root. Bytes are bytes: no encoding is assumed, no case folded.
//
// A value type; threads may share one.
class PathPattern {
 public:
  // Errors: EINVAL for what can't match any path: an empty pattern or component, "." or "..", a
  // trailing '/', a NUL, a set that isn't closed or whose range is reversed, a backslash at the
  // end. The message names the pattern and the fault.
  static Result<PathPattern> compile(std::string_view text);

  // As it was compiled.
  const std::string& text() const { return text_; }

  // Whether the whole path (RelativePath::string(), no leading '/') matches. Takes time
  // proportional to the pattern's length times the path's at most, whatever they hold.
  bool matches(std::string_view path) const;

  // Whether a path beneath this directory (empty: the root) could match, so that a walk knows where
  // it need not go.
  bool may_match_beneath(std::string_view directory) const;

 private:
  enum class Kind {
    kByte,         // one byte of `set`
    kNameBytes,    // any number of bytes but '/'
    kBytes,        // any number of bytes
    kDirectories,  // the two tokens that follow (kBytes and '/') may be left out
  };
  struct Token {
    Kind kind;
    std::bitset<256> set{};  // of kByte
  };
  class Compiler;
  class Run;

  explicit PathPattern(std::string_view text) : text_(text) {}

  std::string text_;
  std::vector<Token> tokens_;
};

}  // namespace mmapdir
