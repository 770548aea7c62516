// SPDX-License-Identifier: MIT
#include "lock_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "beneath.h"
#include "file_identity.h"
#include "posix.h"
#include "support/unique_fd.h"

namespace mmapdir {
namespace {

constexpr mode_t kLockFileMode = 0666;  // less the process's umask

// A shared lock asks for no more than reading, so that it can be had of a file that one may only
// read. O_NONBLOCK: a FIFO in its place must not hold us up.
Result<UniqueFd> open_lock_file(int directory, const char* name, LockMode mode,
                                const RelativePath& path) {
  const int access = mode == LockMode::kShared ? O_RDONLY : O_RDWR;
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory, name,
                    access | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                    kLockFileMode);
  }));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "open lock file", path.string()));
  }
  return fd;
}

Result<void> lock_whole(int fd, LockMode mode, const RelativePath& path) {
  struct flock whole{};  // from 0, for 0: as far as the file may ever reach
  whole.l_type = mode == LockMode::kShared ? F_RDLCK : F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (retry_interrupted([&] { return ::fcntl(fd, F_OFD_SETLK, &whole); }) != 0) {
    return std::unexpected(Error::from_errno(errno, "lock", path.string()));
  }
  return {};
}

// Somebody may have removed or replaced the file between our opening and our locking it. Then the
// next one to come would lock another file, and both would believe to be alone.
Result<void> check_is_still_named(const struct stat& locked, int directory, const char* name,
                                  const RelativePath& path) {
  struct stat named{};
  if (::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      FileIdentity::of(named) != FileIdentity::of(locked)) {
    return std::unexpected(Error(std::errc::resource_unavailable_try_again,
                                 "lock what was replaced meanwhile,", path.string()));
  }
  return {};
}

}  // namespace

Result<FileLock> lock_file(int directory, const char* name, LockMode mode,
                           const RelativePath& path) {
  auto fd = open_lock_file(directory, name, mode, path);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  const auto status = file_status(fd->get(), path.string());
  if (!status) {
    return std::unexpected(status.error());
  }
  if (const auto regular = check_is_regular(*status, path); !regular) {
    return std::unexpected(regular.error());
  }
  if (const auto locked = lock_whole(fd->get(), mode, path); !locked) {
    return std::unexpected(locked.error());
  }
  if (const auto named = check_is_still_named(*status, directory, name, path); !named) {
    return std::unexpected(named.error());
  }
  // No more than a close: an explicit unlock would free it also in the hands of a forked child.
  return FileLock(std::make_shared<UniqueFd>(std::move(*fd)));
}

}  // namespace mmapdir
