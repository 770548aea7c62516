// SPDX-License-Identifier: MIT
#include "fs/source.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr int kPathFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;

// Room for the largest handle beside its header, aligned as the kernel's structure is.
struct HandleBuffer {
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> storage{};

  file_handle* get() { return reinterpret_cast<file_handle*>(storage.data()); }
};

int open_without_crossing(int directory, const char* name) {
  open_how how{};
  how.flags = kPathFlags;
  how.resolve = RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, directory, name, &how, sizeof how));
}

// Fails with EOPNOTSUPP where the file system has no handles.
Result<Locator> handle_of(int fd, int& mount_id) {
  HandleBuffer buffer;
  file_handle* handle = buffer.get();
  handle->handle_bytes = MAX_HANDLE_SZ;
  if (::name_to_handle_at(fd, "", handle, &mount_id, AT_EMPTY_PATH) != 0) {
    return std::unexpected(Error::from_errno(errno, "take the file handle"));
  }
  const std::string_view bytes(reinterpret_cast<const char*>(handle->f_handle),
                               handle->handle_bytes);
  const std::string_view all(reinterpret_cast<const char*>(&handle->handle_type),
                             sizeof handle->handle_type + bytes.size());
  return Locator{.key = std::string(bytes),
                 .is_handle = true,
                 .handle_type = handle->handle_type,
                 .handle_hash = hash_of_handle(all)};
}

Result<UniqueFd> open_handle(int mount, const Locator& locator) {
  HandleBuffer buffer;
  file_handle* handle = buffer.get();
  handle->handle_type = locator.handle_type;
  handle->handle_bytes = static_cast<unsigned>(locator.key.size());
  std::memcpy(handle->f_handle, locator.key.data(), locator.key.size());
  UniqueFd fd(::open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "open by handle"));
  }
  return fd;
}

}  // namespace

Source::Source(UniqueFd root, UniqueFd proc_self_fd)
    : root_(std::make_shared<const UniqueFd>(std::move(root))),
      proc_self_fd_(std::move(proc_self_fd)) {}

Result<Source> Source::open(UniqueFd root) {
  UniqueFd proc(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!proc) {
    return std::unexpected(Error::from_errno(errno, "open", "/proc/self/fd"));
  }
  Source source(std::move(root), std::move(proc));
  const auto found = attributes(source.root_->get());
  if (!found) {
    return std::unexpected(found.error());
  }
  source.root_mount_ = found->stx_mnt_id;
  source.has_handles_ = source.probe_handles();
  return source;
}

bool Source::probe_handles() {
  const auto handle = handle_of(root_->get(), root_mount_id_);
  return handle && open_handle(root_->get(), *handle).has_value();
}

Result<UniqueFd> Source::open_child(int directory, const char* name) const {
  UniqueFd fd(open_without_crossing(directory, name));
  if (fd) {
    return fd;
  }
  if (errno == EXDEV || errno == ENOSYS) {
    return open_across_mount(directory, name);
  }
  return std::unexpected(Error::from_errno(errno, "look up", name));
}

Result<UniqueFd> Source::open_across_mount(int directory, const char* name) const {
  UniqueFd fd(::openat(directory, name, kPathFlags));
  if (!fd) {
    return std::unexpected(Error::from_errno(errno, "look up", name));
  }
  // DONT_SYNC answers from what the kernel knows: asking our own mount would wait for ourselves.
  Attributes found{};
  if (::statx(fd.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat", name));
  }
  if (refused_device_ != 0 && device_of(found) == refused_device_) {
    return std::unexpected(Error::from_errno(ELOOP, "look up our own mount at", name));
  }
  return fd;
}

// What leads to the root is beneath it.
Result<UniqueFd> Source::open_directory_above(int directory) const {
  const auto root = attributes(root_->get());
  auto next = attributes(directory);
  if (!root || !next) {
    return std::unexpected(root ? next.error() : root.error());
  }
  UniqueFd above;
  UniqueFd at;
  for (auto below = *next; identity_of(below) != identity_of(*root); below = *next) {
    UniqueFd fd(::openat(at ? at.get() : directory, "..", kPathFlags | O_DIRECTORY));
    if (!fd) {
      return std::unexpected(Error::from_errno(errno, "go to the directory above"));
    }
    next = attributes(fd.get());
    if (!next) {
      return std::unexpected(next.error());
    }
    if (identity_of(*next) == identity_of(below)) {
      break;  // the top of everything
    }
    if (!above) {
      above = UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    }
    at = std::move(fd);
  }
  if (!above || identity_of(*next) != identity_of(*root)) {
    return std::unexpected(Error::from_errno(ESTALE, "go to the directory above"));
  }
  return above;
}

Result<UniqueFd> Source::open_path(const std::string& path) const {
  UniqueFd opened;
  for (const auto& name : std::filesystem::path(path)) {
    auto child = open_child(opened ? opened.get() : root_->get(), name.c_str());
    if (!child) {
      return child;
    }
    opened = std::move(*child);
  }
  return opened;
}

Result<UniqueFd> Source::open_located(const Locator& locator, int parent) const {
  if (locator.is_handle) {
    return open_handle(root_->get(), locator);
  }
  return open_child(parent, locator.key.c_str());
}

Locator Source::locate(int fd, const char* name) const {
  int mount_id = -1;
  auto handle = handle_of(fd, mount_id);
  // A handle is opened through the root's mount: another mount's files go by name.
  if (handle && has_handles_ && mount_id == root_mount_id_) {
    return std::move(*handle);
  }
  return {.key = name, .handle_hash = handle ? handle->handle_hash : kNoHandleHash};
}

Result<UniqueFd> Source::reopen(int fd, int flags, mode_t mode) const {
  UniqueFd opened(
      ::openat(proc_self_fd_.get(), std::to_string(fd).c_str(), flags | O_CLOEXEC, mode));
  if (!opened) {
    return std::unexpected(Error::from_errno(errno, "open"));
  }
  return opened;
}

Result<Attributes> Source::attributes(int fd) {
  Attributes attributes{};
  constexpr unsigned kWanted = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
  if (::statx(fd, "", AT_EMPTY_PATH, kWanted, &attributes) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat"));
  }
  return attributes;
}

std::uint32_t Source::mount_of(const Attributes& attributes) const {
  return attributes.stx_mnt_id == root_mount_ ? kRootMount
                                              : static_cast<std::uint32_t>(attributes.stx_mnt_id);
}

std::uint64_t hash_of_handle(std::string_view handle) {
  const std::uint64_t hash = std::hash<std::string_view>{}(handle);
  return hash == kNoHandleHash ? ~kNoHandleHash : hash;
}

// What the kernel says of a file that was deleted, or that it found by handle, looks like a path as
// well; so it is asked where the path leads.
std::optional<std::string> Source::path_of(int fd) const {
  std::error_code error;
  const std::string root = root_path();
  const std::string path = std::filesystem::read_symlink(ProcPath(fd).c_str(), error);
  const std::string prefix = root.ends_with('/') ? root : root + '/';
  if (error || !path.starts_with(prefix)) {
    return std::nullopt;
  }
  std::string below = path.substr(prefix.size());
  struct stat named{};
  struct stat open{};
  const bool is_there = ::fstatat(root_->get(), below.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                        ::fstat(fd, &open) == 0;
  return is_there && named.st_dev == open.st_dev && named.st_ino == open.st_ino
             ? std::optional(std::move(below))
             : std::nullopt;
}

std::string Source::root_path() const {
  std::error_code error;
  return std::filesystem::read_symlink(ProcPath(root_->get()).c_str(), error);
}

dev_t device_of(const Attributes& attributes) {
  return ::makedev(attributes.stx_dev_major, attributes.stx_dev_minor);
}

SourceIdentity identity_of(const Attributes& attributes) {
  return {.device = device_of(attributes), .inode = attributes.stx_ino};
}

ProcPath::ProcPath(int fd) : text_("/proc/self/fd/" + std::to_string(fd)) {}

}  // namespace mmapdirfs
