// SPDX-License-Identifier: MIT
#include "resident_pages.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "page_math.h"
#include "posix.h"
#include "support/unique_fd.h"
#include "temporary_mapping.h"

namespace mmapdir {
namespace {

// Of linux/mman.h since Linux 6.5; the number is the same on every architecture but alpha.
constexpr long kCachestatCall = 451;
struct CachestatRange {
  std::uint64_t offset;
  std::uint64_t length;  // 0 means to the end
};
struct Cachestat {
  std::uint64_t cached;
  std::uint64_t dirty;
  std::uint64_t under_writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

Result<std::uint64_t> cachestat(int fd, CachestatRange range) {
  Cachestat answer{};
  if (::syscall(kCachestatCall, fd, &range, &answer, 0) != 0) {
    return std::unexpected(Error::from_errno(errno, "ask for the cached pages"));
  }
  return answer.cached;
}

// Pages that an overlay's file shows are cached for the file beneath, which cachestat doesn't look
// at. The others that it fails for are kernels without it, and sandboxes.
bool has_cachestat(int fd) {
  struct statfs file_system{};
  return ::fstatfs(fd, &file_system) == 0 && file_system.f_type != OVERLAYFS_SUPER_MAGIC &&
         cachestat(fd, {.offset = 0, .length = 1}).has_value();
}

// Whether mincore tells the truth: can_do_mincore() in mm/mincore.c. A capability over the file is
// found by trying what needs it, O_NOATIME; that changes nothing of a descriptor already open.
bool may_ask_mincore(int fd, const struct stat& status) {
  if (status.st_uid == ::geteuid()) {
    return true;
  }
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0) {
    return true;
  }
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_NOATIME | O_CLOEXEC)).get() >= 0;
}

Result<struct stat> status_of_regular(int fd) {
  auto status = file_status(fd);
  if (status && !S_ISREG(status->st_mode)) {
    return std::unexpected(Error(std::errc::no_such_device, "ask for the cached pages"));
  }
  return status;
}

}  // namespace

Result<ResidentPages> ResidentPages::of(int fd) {
  const auto status = status_of_regular(fd);
  if (!status) {
    return std::unexpected(status.error());
  }
  if (!has_cachestat(fd)) {
    return by_mincore(fd);
  }
  return ResidentPages(fd, static_cast<std::uint64_t>(status->st_size),
                       ResidencySource::kCachestat);
}

Result<ResidentPages> ResidentPages::by_mincore(int fd) {
  const auto status = status_of_regular(fd);
  if (!status) {
    return std::unexpected(status.error());
  }
  if (!may_ask_mincore(fd, *status)) {
    return std::unexpected(
        Error(std::errc::operation_not_permitted, "ask for the cached pages of others' file"));
  }
  return ResidentPages(fd, static_cast<std::uint64_t>(status->st_size), ResidencySource::kMincore);
}

Result<std::uint64_t> ResidentPages::count(std::uint64_t first_page, std::uint64_t pages) {
  if (pages == 0) {
    return 0;
  }
  if (source_ == ResidencySource::kMincore) {
    return count_by_mincore(first_page, pages);
  }
  return cachestat(fd_, {.offset = first_page * page_size(), .length = pages * page_size()});
}

Result<std::uint64_t> ResidentPages::count_by_mincore(std::uint64_t first_page,
                                                      std::uint64_t pages) {
  std::uint64_t resident = 0;
  while (pages > 0) {
    const auto part = std::min(pages, kWindowPages);
    const auto window = look_at(first_page, part);
    if (!window) {
      return std::unexpected(window.error());
    }
    resident += static_cast<std::uint64_t>(
        std::ranges::count_if(*window, [](unsigned char page) { return (page & 1U) != 0; }));
    first_page += part;
    pages -= part;
  }
  return resident;
}

Result<std::span<const unsigned char>> ResidentPages::look_at(std::uint64_t first_page,
                                                              std::uint64_t pages) {
  const auto mapping = TemporaryMapping::of(
      fd_, {.offset = first_page * page_size(), .length = pages * page_size()});
  if (!mapping) {
    return std::unexpected(mapping.error());
  }
  answer_.resize(pages);
  if (::mincore(mapping->address(), mapping->length(), answer_.data()) != 0) {
    return std::unexpected(Error::from_errno(errno, "ask for the cached pages"));
  }
  return answer_;
}

}  // namespace mmapdir
