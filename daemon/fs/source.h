// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/types.h"

namespace mmapdirfs {

// What the handle of a file is known by where nothing is opened by it; zero is no handle's.
// `handle` is its type, an int, then its bytes.
inline constexpr std::uint64_t kNoHandleHash = 0;
std::uint64_t hash_of_handle(std::string_view handle);

// The mount of the source's root among the mounts that its files are reached by. The others go by
// their ids in the table of mounts (proc(5): mountinfo).
inline constexpr std::uint32_t kRootMount = 0;

// How to find a known file on the source again without holding a descriptor of it.
struct Locator {
  // The bytes of a file handle (name_to_handle_at) or a name in the parent. A std::string holds 15
  // bytes in itself, and with them the handles of ext4, XFS and tmpfs without their type.
  std::string key{};
  bool is_handle = false;
  int handle_type = 0;
  // Of the file's handle, also where the key is a name: anybody may ask for a handle, whoever may
  // open by it. kNoHandleHash where the file system has none.
  std::uint64_t handle_hash = kNoHandleHash;
};

// The source directory and the ways to reach files beneath it. Nothing here follows a symlink or
// puts a path together, so nothing leaves the source and no path is too long.
//
// A resource type: owns the root's descriptor. All methods may be called from any thread.
class Source {
 public:
  // `root` is a directory open for reading. Fails where /proc isn't there to reopen files through.
  static Result<Source> open(UniqueFd root);

  // Nothing else may be called afterwards.
  void close() { root_.reset(); }

  // The root, open for reading.
  const SharedFd& root() const { return root_; }

  // True where files are found again by handle (this needs CAP_DAC_READ_SEARCH), which also tells
  // a recycled inode number from the file that had it before.
  bool has_handles() const { return has_handles_; }

  // From now on a file of this device is refused with ELOOP: our own mount, seen through the
  // source. Reading it would wait for ourselves. Call it before the first request is served.
  void refuse_device(dev_t device) { refused_device_ = device; }

  // An O_PATH descriptor of a directory's entry, itself and never what it links to.
  Result<UniqueFd> open_child(int directory, const char* name) const;

  // The same file again, found by its locator. `parent` is its directory; only a locator by name
  // needs it. The caller checks that it is still the same file.
  Result<UniqueFd> open_located(const Locator& locator, int parent) const;

  Locator locate(int fd, const char* name) const;

  // An O_PATH descriptor of the directory above one that isn't the root. ESTALE where that has left
  // the source.
  Result<UniqueFd> open_directory_above(int directory) const;

  // An O_PATH descriptor of what a path from the root leads to, symlinks as they are.
  Result<UniqueFd> open_path(const std::string& path) const;

  // A descriptor of an O_PATH descriptor's file, open with `flags`; `mode` is for O_TMPFILE.
  Result<UniqueFd> reopen(int fd, int flags, mode_t mode = 0) const;

  static Result<Attributes> attributes(int fd);

  // The mount by which a file was reached, of which these are the attributes. Any other than the
  // root's can be unmounted while the source is, unless something is open on it.
  std::uint32_t mount_of(const Attributes& attributes) const;

  // The root's own absolute path, as this process sees it now; empty where it has none.
  std::string root_path() const;

  // The path by which an open file is reached from the root now; nothing where it has none, or the
  // kernel doesn't know it.
  std::optional<std::string> path_of(int fd) const;

 private:
  Source(UniqueFd root, UniqueFd proc_self_fd);

  bool probe_handles();
  Result<UniqueFd> open_across_mount(int directory, const char* name) const;

  SharedFd root_;
  UniqueFd proc_self_fd_;
  int root_mount_id_ = -1;        // as name_to_handle_at has it
  std::uint64_t root_mount_ = 0;  // the same of statx: Linux 5.8, before that 0 for all
  bool has_handles_ = false;
  dev_t refused_device_ = 0;
};

// The device of a file, as stat has it.
dev_t device_of(const Attributes& attributes);

SourceIdentity identity_of(const Attributes& attributes);

// "/proc/self/fd/N": names an open file, also an O_PATH one, to a call that takes only a path.
class ProcPath {
 public:
  explicit ProcPath(int fd);
  const char* c_str() const { return text_.c_str(); }

 private:
  std::string text_;
};

}  // namespace mmapdirfs
