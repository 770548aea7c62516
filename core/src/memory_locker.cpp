// SPDX-License-Identifier: MIT
#include "memory_locker.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <tuple>

#include "mmapdir/advice.h"
#include "page_math.h"
#include "posix.h"

namespace mmapdir {
namespace {

// Between two looks at the stop token and the memory.
constexpr std::uint64_t kPieceBytes = std::uint64_t{8} << 20U;

// Left to everybody else: a sixteenth of what is available, and 16 MiB at least.
constexpr std::uint64_t kReserveBytes = std::uint64_t{16} << 20U;
constexpr std::uint64_t kReservePart = 16;

std::uint64_t down_to_pages(std::uint64_t bytes) { return bytes / page_size() * page_size(); }

// What RLIMIT_MEMLOCK still allows, by what the kernel has counted.
std::uint64_t room_in_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  constexpr std::uint64_t kKibibyte = 1024;
  std::uint64_t locked = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream fields(line);
    std::string name;
    if (fields >> name && name == "VmLck:") {
      fields >> locked;
    }
  }
  return limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, locked * kKibibyte);
}

// As system calls, since the sanitizers' mlock does nothing and says that it did.
int mlock_pages(std::span<const std::byte> pages) {
  return static_cast<int>(::syscall(SYS_mlock, pages.data(), pages.size()));
}
void munlock_pages(std::span<const std::byte> pages) {
  // Fails for no range that is mapped.
  static_cast<void>(::syscall(SYS_munlock, pages.data(), pages.size()));
}

// Zero, or the errno. A failed mlock may leave pages locked that are to be read as yet.
int lock_pages(std::span<const std::byte> pages) {
  if (mlock_pages(pages) == 0) {
    return 0;
  }
  const int errnum = errno;
  munlock_pages(pages);
  return errnum;
}

bool is_truncated(int fd, std::uint64_t end) {
  const auto status = file_status(fd);
  return status && static_cast<std::uint64_t>(status->st_size) < end;
}

}  // namespace

MemoryLocker::Outcome MemoryLocker::lock(int fd, std::span<const std::byte> file, ByteRange range) {
  Outcome outcome;
  ByteRange rest = range;
  while (rest.length > 0 && outcome.reason.empty()) {
    outcome.reason = lock_next(fd, file, rest);
  }
  outcome.locked = range.length - rest.length;
  return outcome;
}

// Takes what it has locked away from the rest; says why if that isn't all that it tried.
std::string MemoryLocker::lock_next(int fd, std::span<const std::byte> file, ByteRange& rest) {
  if (stop_.stop_requested()) {
    return "cancelled";
  }
  auto length = std::min(rest.length, kPieceBytes);
  auto bound = find_bound(length);
  if (length == 0) {
    return bound.value_or("");
  }
  // So that all of it is under way at once; it is read in any case.
  std::ignore = advise_file(fd, {.offset = rest.offset, .length = length}, Advice::kWillNeed);
  int errnum = lock_pages(file.subspan(rest.offset, length));
  if (errnum == EPERM) {  // the limit is zero
    return "RLIMIT_MEMLOCK";
  }
  if (errnum == ENOMEM && is_truncated(fd, rest.offset + length)) {
    return "truncated";
  }
  if (const auto room = room_in_limit(); errnum == ENOMEM && room < length) {
    length = down_to_pages(room);
    bound = "RLIMIT_MEMLOCK";
    if (length == 0) {
      return *bound;
    }
    errnum = lock_pages(file.subspan(rest.offset, length));
  }
  if (errnum != 0) {
    return std::generic_category().message(errnum);
  }
  locked_bytes_ += length;
  rest.offset += length;
  rest.length -= length;
  return bound.value_or("");
}

// Cuts the length off at what memory is left, and says what it is that leaves no more.
std::optional<std::string> MemoryLocker::find_bound(std::uint64_t& length) const {
  const auto now = memory_.now();
  // A cgroup's figures follow its pages with a delay: so what was locked is counted here too.
  const auto by_count = at_start_ - std::min(at_start_, locked_bytes_);
  const auto left = std::min(now.bytes, by_count);
  const auto reserve = std::max(kReserveBytes, at_start_ / kReservePart);
  const auto allowed = left - std::min(left, reserve);
  if (length <= allowed) {
    return std::nullopt;
  }
  length = down_to_pages(allowed);
  return now.bound == AvailableMemory::Bound::kCgroup ? "memory cgroup" : "available memory";
}

void MemoryLocker::unlock(std::span<const std::byte> file) {
  if (!file.empty()) {
    munlock_pages(file);
  }
}

}  // namespace mmapdir
