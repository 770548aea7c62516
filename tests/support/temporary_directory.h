// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string_view>

namespace mmapdir::test {

// A fresh directory that goes with its object, and everything in it. A resource type.
//
// It lies in $MMAPDIR_TEST_DIRECTORY, else in /var/tmp or, where that can't be written, in /tmp: on
// a disk where there is one, since sparse files, O_DIRECT and extended attributes want one, and
// where an ordinary user can reach it, which a build tree often isn't. Everybody may enter it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  explicit TemporaryDirectory(const std::filesystem::path& parent);
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  // With what the name of every such directory of this build begins.
  static std::string_view prefix();

 private:
  std::filesystem::path path_;
};

}  // namespace mmapdir::test
