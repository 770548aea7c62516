// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mmapdir/byte_range.h"
#include "mmapdir/file_lock.h"
#include "mmapdir/file_slice.h"
#include "mmapdir/file_writer.h"
#include "mmapdir/lazy_file_handle.h"
#include "mmapdir/owned_bytes.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"

namespace mmapdir {

// A tree of files to read. Every path is relative to its root.
//
// A *file* here is a regular file, or a symbolic link to one that doesn't lead out of the root.
// Everything else (directories, FIFOs, sockets, devices) exists() denies and the readers refuse.
//
// All methods may be called from any thread. What they return lives on its own: it stays valid
// after the file was replaced or removed and after the Directory is gone.
//
// Errors that every method with a path can have: ENOENT, ENOTDIR (a component on the way is not a
// directory), EXDEV (a symbolic link leads out of the root), ELOOP, EACCES, and whatever else the
// system reports. Methods for files: EISDIR for a directory and for the root, EOPNOTSUPP for a
// special file.
class Directory {
 public:
  virtual ~Directory() = default;

  // Forgets what is cached and not in use, so that address space is given back. Costs the next
  // readers their speed and changes no result.
  virtual void clear_cache() = 0;

  // Whether `path` names a file. That it doesn't is a value, not an error: neither is ENOTDIR.
  virtual Result<bool> exists(const RelativePath& path) const = 0;

  // In bytes, now.
  virtual Result<std::uint64_t> file_size(const RelativePath& path) const = 0;

  // The whole file, at its present length.
  virtual Result<FileSlice> open_read(const RelativePath& path) const = 0;

  // The same for a file that may never be read: nothing is mapped before the first read.
  virtual Result<LazyFileHandle> open_lazy(const RelativePath& path) const = 0;

  // Opens the file and reads a range of it. Errors also: those of FileSlice::read_range().
  virtual Result<OwnedBytes> read_range(const RelativePath& path, ByteRange range) const = 0;

  // The files directly in `directory`, sorted; as paths from the root, fit for the other methods.
  // One that comes or goes meanwhile may be in it or not.
  virtual Result<std::vector<RelativePath>> list_files(const RelativePath& directory) const = 0;

 protected:
  Directory() = default;
  Directory(const Directory&) = default;
  Directory(Directory&&) = default;
  Directory& operator=(const Directory&) = default;
  Directory& operator=(Directory&&) = default;
};

// A Directory to write to as well. A file comes into being whole and is replaced whole: who opens
// it sees all of the old bytes or all of the new, and an open one stays what it was.
//
// Every method acts on the last name of the path itself, never on what a symbolic link of that name
// points to. An operation that fails has changed nothing, except that those which make missing
// parent directories may leave them made.
//
// Names that begin with ".mmapdir-tmp-" are kept for files in the making: list_files() leaves them
// out, and they are refused here (EINVAL). A process that was killed in the middle of write(), or
// with a FileWriter open, leaves one behind; delete it at will when no writer is at work.
class DirectoryWriter : public Directory {
 public:
  // Creates or replaces the file, atomically; makes missing parent directories. The bytes are on
  // disk when it returns, the name only after sync(). A replaced file's permission bits are kept.
  virtual Result<void> write(const RelativePath& path, std::span<const std::byte> bytes) = 0;

  // write() in parts: the file comes into being with the writer's commit(), and not without. Makes
  // missing parent directories. That `path` can't be a file's (EISDIR) is said now already.
  virtual Result<FileWriter> create(const RelativePath& path) = 0;

  virtual Result<void> remove(const RelativePath& path) = 0;

  // Gives the file `from` the name `to`, atomically; a file that had it is replaced. The target's
  // directory must exist.
  virtual Result<void> rename(const RelativePath& from, const RelativePath& to) = 0;

  // Gives the file `from` a further name. Errors also: EEXIST when there is anything of the name
  // `to`, whose directory must exist; EMLINK; EPERM where the system forbids it (hard links to the
  // files of others, see fs.protected_hardlinks in proc_sys_fs(5), or a file system without them).
  virtual Result<void> link(const RelativePath& from, const RelativePath& to) = 0;

  // Locks the file of that name, which is made (empty) if it is missing, and its parent directories
  // with it; what it contains is neither read nor changed. Doesn't wait: EAGAIN when somebody holds
  // a lock that excludes this one, be it in this process, in this object even. Advisory: it keeps
  // nobody from anything who doesn't ask for it.
  //
  // It is bound to the file, not to the name. While anybody holds it, the file must not be removed,
  // replaced or renamed; else the next one to ask gets a lock as well, on another file. Who holds
  // it exclusively may remove the file as the last thing before letting go.
  virtual Result<FileLock> lock(const RelativePath& path, LockMode mode) = 0;

  // Returns when everything that was written, committed, linked, renamed or removed through this
  // object before the call survives a power cut. After an error, that is unknown of what the error
  // names; the next sync() tries again.
  virtual Result<void> sync() = 0;
};

}  // namespace mmapdir
