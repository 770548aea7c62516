// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>

#include "support/unique_fd.h"

namespace mmapdir::test {

// What a program sees of the little tree of coherence_changes.h: an answer for each question, as a
// line. A question's name begins with its kind, which tells what the kernel would keep of it:
//
//   stat      attributes by name; ENOENT for a name that isn't there
//   fstat     attributes by a descriptor that was opened before
//   list      the names in a directory
//   readlink  what a symbolic link holds
//   acl       an access control list
//   xattr     an extended attribute
//   read      a file's bytes, opened by name
//   pread     a file's bytes, by a descriptor that was opened before
//   mapping   a file's bytes, by a shared mapping that was made before
using View = std::map<std::string, std::string>;

// Looks at a tree, by its source or by a mount. A resource type: from the beginning it has a file
// open and mapped.
class Viewer {
 public:
  explicit Viewer(std::filesystem::path root);
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;
  ~Viewer();

  View look() const;
  std::string mapped_bytes() const;  // the answer to "mapping"
  View look_at_attributes() const;   // only "stat", "fstat" and "acl"

 private:
  std::filesystem::path root_;
  UniqueFd file_;
  void* mapping_;
};

// Where two views differ, the questions and both answers are shown.
void check_equal(const View& actual, const View& expected);

}  // namespace mmapdir::test
