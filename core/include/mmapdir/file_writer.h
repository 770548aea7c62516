// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// Where a FileWriter's bytes go: for those who implement a DirectoryWriter. One that is destroyed
// without a commit leaves nothing behind. A resource type; called by one thread at a time.
class FileSink {
 public:
  FileSink() = default;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  virtual ~FileSink() = default;

  // Puts all of `bytes` after those before. Not called again after an error.
  virtual Result<void> write(std::span<const std::byte> bytes) = 0;

  // Makes the bytes durable and gives them their name. Called once at most, and last.
  virtual Result<void> commit() = 0;
};

// A file in the making: see DirectoryWriter::create(). Nobody sees it before commit(); if it is
// destroyed without one, or one of its calls fails, nothing is left of it and the file that bears
// the name stays what it was.
//
// A resource type: it moves and doesn't copy. It may outlive the Directory, and commit after that;
// what it needs of it lives on. One thread at a time; writers of their own need no care, also not
// when they write to the same path: each commit replaces the file whole, and the last one stays.
//
// The first error is final: the file is given up at once, with the space that it took, and every
// later call fails with that error. So it does no harm to look at commit()'s result alone.
class FileWriter {
 public:
  // `path` is for Errors.
  FileWriter(const RelativePath& path, std::unique_ptr<FileSink> sink);

  // Adds `bytes` to the file's end. Small ones are gathered in a buffer of 64 KiB, which a writer
  // has from its first small append on; so an error of the system (ENOSPC, EDQUOT, EFBIG, EIO) may
  // come with a later append, or with commit(). As many bytes as the buffer holds, or more, go to
  // the system without a copy.
  //
  // `bytes` may be a mapped file's: when that is truncated meanwhile, the append fails (EFAULT).
  // Small ones are copied by guarded_copy(), which see for signals.
  //
  // Errors also: EBADF after a commit() that succeeded, and for a writer that was moved from.
  Result<void> append(std::span<const std::byte> bytes);

  // Gives the file its name, atomically, in place of what bore it. The bytes are on disk when it
  // returns, the name only after DirectoryWriter::sync(). Nothing more can be done after that.
  //
  // Errors, besides those of append(): EISDIR when the name has come to be a directory's; ENOENT or
  // ESTALE when the directory that the file was created in was removed or replaced.
  Result<void> commit();

 private:
  Result<void> check_usable() const;
  Result<void> gather(std::span<const std::byte> bytes);
  Result<void> flush();
  Result<void> give_up_if_failed(Result<void> result);

  std::string name_;
  std::unique_ptr<FileSink> sink_;  // until the end, good or bad
  std::optional<Error> failure_;
  std::vector<std::byte> buffer_;
};

}  // namespace mmapdir
