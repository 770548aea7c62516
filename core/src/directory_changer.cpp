// SPDX-License-Identifier: MIT
#include "directory_changer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <ranges>
#include <string_view>
#include <utility>

#include "beneath.h"
#include "file_identity.h"
#include "lock_file.h"
#include "posix.h"

namespace mmapdir {
namespace {

constexpr mode_t kNewFileMode = 0666;       // less the process's umask
constexpr mode_t kNewDirectoryMode = 0777;  // likewise
constexpr mode_t kPermissionBits = 0777;

Result<void> check_name_to_change(const RelativePath& path) {
  if (path.is_root()) {
    return std::unexpected(Error(std::errc::is_a_directory, "change"));
  }
  if (is_temporary_name(path.filename())) {
    return std::unexpected(Error(std::errc::invalid_argument, "use reserved name", path.string()));
  }
  return {};
}

Result<void> check_names_to_change(const RelativePath& from, const RelativePath& to) {
  const auto allowed = check_name_to_change(from);
  return allowed ? check_name_to_change(to) : allowed;
}

// The last component is the end of the path's text, so it is NUL-terminated.
const char* name_of(const RelativePath& path) { return path.filename().data(); }

// What bears the name itself, be it a link; nothing when the name is free. EISDIR for a directory.
Result<std::optional<struct stat>> find_file(int directory, const RelativePath& path) {
  struct stat status{};
  if (::fstatat(directory, name_of(path), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    return std::unexpected(Error::from_errno(errno, "stat", path.string()));
  }
  if (S_ISDIR(status.st_mode)) {
    return std::unexpected(Error(std::errc::is_a_directory, "change", path.string()));
  }
  return status;
}

// The permission bits of the file that bears the name; nothing when there is none.
Result<std::optional<mode_t>> find_mode(int directory, const RelativePath& path) {
  const auto found = find_file(directory, path);
  if (!found) {
    return std::unexpected(found.error());
  }
  const auto& status = *found;
  if (!status || !S_ISREG(status->st_mode)) {
    return std::nullopt;
  }
  return status->st_mode & kPermissionBits;
}

// The umask may have taken some bits away, or a chmod has changed them since.
Result<void> set_mode_of_replaced(TemporaryFile& file, const RelativePath& path) {
  const auto replaced = find_mode(file.directory(), path);
  if (!replaced) {
    return std::unexpected(replaced.error());
  }
  const auto& mode = *replaced;
  return mode ? file.set_mode(*mode) : Result<void>();
}

Result<void> check_is_same(int directory, int now, const RelativePath& path) {
  const auto status = file_status(directory, path.string());
  if (!status) {
    return std::unexpected(status.error());
  }
  const auto status_now = file_status(now, path.string());
  if (!status_now) {
    return std::unexpected(status_now.error());
  }
  if (FileIdentity::of(*status) != FileIdentity::of(*status_now)) {
    return std::unexpected(Error::from_errno(ESTALE, "commit", path.string()));
  }
  return {};
}

}  // namespace

Result<void> DirectoryChanger::write(const RelativePath& path, std::span<const std::byte> bytes) {
  auto file = create(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  if (const auto written = file->write(bytes); !written) {
    return written;
  }
  return commit(*file, path);
}

Result<TemporaryFile> DirectoryChanger::create(const RelativePath& path) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return std::unexpected(allowed.error());
  }
  auto directory = open_making_missing(path.parent());
  if (!directory) {
    return std::unexpected(directory.error());
  }
  const auto replaced = find_mode(directory->get(), path);
  if (!replaced) {
    return std::unexpected(replaced.error());
  }
  // From the start not more than in the end: what one may not read then, one may not read now.
  return TemporaryFile::create(std::move(*directory), replaced->value_or(kNewFileMode),
                               path.string());
}

Result<void> DirectoryChanger::commit(TemporaryFile& file, const RelativePath& path) {
  if (const auto set = set_mode_of_replaced(file, path); !set) {
    return set;
  }
  if (const auto finished = file.finish(); !finished) {
    return finished;
  }
  // Only now, as it takes a descriptor, and finish() has given one back.
  const auto change = begin_change(path.parent());
  if (!change) {
    return std::unexpected(change.error());
  }
  if (const auto same = check_is_same(file.directory(), change->fd(), path); !same) {
    return same;
  }
  return file.replace(name_of(path));
}

Result<void> DirectoryChanger::remove(const RelativePath& path) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return allowed;
  }
  const auto change = begin_change(path.parent());
  if (!change) {
    return std::unexpected(change.error());
  }
  if (::unlinkat(change->fd(), name_of(path), 0) != 0) {
    return std::unexpected(Error::from_errno(errno, "remove", path.string()));
  }
  return {};
}

Result<void> DirectoryChanger::rename(const RelativePath& from, const RelativePath& to) {
  if (const auto allowed = check_names_to_change(from, to); !allowed) {
    return allowed;
  }
  const auto source = begin_change(from.parent());
  if (!source) {
    return std::unexpected(source.error());
  }
  if (const auto file = find_file(source->fd(), from); !file) {
    return std::unexpected(file.error());
  }
  const auto target = begin_change(to.parent());
  if (!target) {
    return std::unexpected(target.error());
  }
  if (::renameat(source->fd(), name_of(from), target->fd(), name_of(to)) != 0) {
    return std::unexpected(Error::from_errno(errno, "rename", from.string()));
  }
  return {};
}

Result<void> DirectoryChanger::link(const RelativePath& from, const RelativePath& to) {
  if (const auto allowed = check_names_to_change(from, to); !allowed) {
    return allowed;
  }
  const auto source = open_directory_beneath(root_, from.parent());
  if (!source) {
    return std::unexpected(source.error());
  }
  if (const auto file = find_file(source->get(), from); !file) {
    return std::unexpected(file.error());
  }
  const auto target = begin_change(to.parent());
  if (!target) {
    return std::unexpected(target.error());
  }
  if (::linkat(source->get(), name_of(from), target->fd(), name_of(to), 0) != 0) {
    return std::unexpected(Error::from_errno(errno, "link", from.string()));
  }
  return {};
}

// The lock file's name needn't survive a power cut, as no lock does: so this is no change to sync.
Result<FileLock> DirectoryChanger::lock(const RelativePath& path, LockMode mode) {
  if (const auto allowed = check_name_to_change(path); !allowed) {
    return std::unexpected(allowed.error());
  }
  const auto directory = open_making_missing(path.parent());
  if (!directory) {
    return std::unexpected(directory.error());
  }
  return lock_file(directory->get(), name_of(path), mode, path);
}

Result<UniqueFd> DirectoryChanger::open_making_missing(const RelativePath& directory) {
  if (const auto made = make_missing(directory); !made) {
    return std::unexpected(made.error());
  }
  return open_directory_beneath(root_, directory);
}

Result<DirtyDirectories::Change> DirectoryChanger::begin_change(const RelativePath& directory) {
  auto fd = open_directory_beneath(root_, directory);
  if (!fd) {
    return std::unexpected(fd.error());
  }
  return dirty_.begin(std::move(*fd), directory.string());
}

Result<void> DirectoryChanger::make_missing(const RelativePath& directory) {
  if (directory.is_root() || !is_missing(directory)) {
    return {};
  }
  RelativePath path;
  for (const auto name : std::views::split(directory.string(), '/')) {
    path = path / *RelativePath::parse(std::string_view(name));
    if (is_missing(path)) {
      if (const auto made = make(path); !made) {
        return made;
      }
    }
  }
  return {};
}

// Whatever else may be wrong with it is told by the one who then opens it.
bool DirectoryChanger::is_missing(const RelativePath& path) const {
  const auto status = status_beneath(root_, path);
  return !status && status.error().errnum() == ENOENT;
}

Result<void> DirectoryChanger::make(const RelativePath& directory) {
  const auto change = begin_change(directory.parent());
  if (!change) {
    return std::unexpected(change.error());
  }
  const int made = ::mkdirat(change->fd(), name_of(directory), kNewDirectoryMode);
  if (made != 0 && errno != EEXIST) {  // somebody else may have been faster
    return std::unexpected(Error::from_errno(errno, "make directory", directory.string()));
  }
  return {};
}

}  // namespace mmapdir
