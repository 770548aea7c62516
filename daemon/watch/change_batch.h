// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "fs/types.h"
#include "watch/change.h"
#include "watch/kernel_cache.h"

namespace mmapdirfs {

class FileSystem;

// Changes that were read together, and what the kernel is to forget for them. A value; one thread.
class ChangeBatch {
 public:
  void add(const Change& change);

  // Changes were lost: the batch stands for any.
  void note_overflow() { has_overflowed_ = true; }

  bool empty() const { return directories_.empty() && moves_.empty() && !has_overflowed_; }
  bool has_overflowed() const { return has_overflowed_; }

  // Makes the kernel forget it. Returns once all but pages are forgotten; those go soon.
  void carry_out(FileSystem& fs, KernelCache& cache) const;

 private:
  // What has happened to a name, which may be several things.
  struct NameChange {
    bool was_file_deleted = false;
    bool was_directory_deleted = false;
    bool has_moved = false;  // it, or another to its place
    std::string arrived{};   // the file that has moved there last
  };

  struct FileChange {
    bool bytes = false;        // rather than its attributes alone
    std::uint64_t closes = 0;  // of whom could write it
  };

  // All strings but the names are handles.
  struct Directory {
    std::map<std::string, NameChange> names;
    std::map<std::string, FileChange> files;  // changed in themselves
    bool has_changed = false;                 // the directory in itself
  };

  static void forget_name(FileSystem& fs, KernelCache& cache, NodeId directory,
                          const std::string& name, const NameChange& change);

  std::map<std::string, Directory> directories_;
  std::map<std::string, bool> moves_;  // true: has come into a watched directory; false: has left
  bool may_have_replaced_ = false;     // a file by one that took its name
  bool has_overflowed_ = false;
};

}  // namespace mmapdirfs
