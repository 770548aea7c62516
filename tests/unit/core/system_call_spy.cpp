// SPDX-License-Identifier: MIT
#include "system_call_spy.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "scratch.h"
#include "support/guarded.h"

namespace mmapdir::test {
namespace {

struct Observed {
  bool active = false;
  std::map<ino_t, std::size_t> syncs;
  std::map<ino_t, std::pair<int, std::size_t>> failures;
  ino_t spared = 0;
  int errnum_of_others = 0;
  std::size_t limit = 0;  // 0: none
  bool interrupt_next = false;
};

Guarded<Observed>& observed() {
  static Guarded<Observed> instance;
  return instance;
}

ino_t inode_of(const std::filesystem::path& path) {
  struct stat status{};
  must(::stat(path.c_str(), &status), "stat");
  return status.st_ino;
}

// The errno that this sync is to fail with, or 0; nothing when it is for the kernel.
std::optional<int> result_of_sync(int fd) {
  struct stat status{};
  const auto seen = observed().lock();
  if (!seen->active || ::fstat(fd, &status) != 0) {
    return std::nullopt;
  }
  ++seen->syncs[status.st_ino];
  if (seen->errnum_of_others != 0 && status.st_ino != seen->spared) {
    return seen->errnum_of_others;
  }
  auto& [errnum, times] = seen->failures[status.st_ino];
  if (times == 0) {
    return 0;
  }
  --times;
  return errnum;
}

// How much a transfer of `size` bytes may move; 0 when it is to be interrupted.
std::size_t allowance(std::size_t size) {
  const auto seen = observed().lock();
  if (!seen->active || seen->limit == 0) {
    return size;
  }
  seen->interrupt_next = !seen->interrupt_next;
  return seen->interrupt_next ? 0 : std::min(size, seen->limit);
}

}  // namespace

SystemCallSpy::SystemCallSpy() { observed().lock()->active = true; }

SystemCallSpy::~SystemCallSpy() { *observed().lock() = Observed{}; }

std::size_t SystemCallSpy::syncs_of(const std::filesystem::path& path) {
  const auto inode = inode_of(path);
  return observed().lock()->syncs[inode];
}

void SystemCallSpy::fail_syncs_of(const std::filesystem::path& path, int errnum,
                                  std::size_t times) {
  const auto inode = inode_of(path);
  observed().lock()->failures[inode] = {errnum, times};
}

void SystemCallSpy::fail_all_syncs_but_of(const std::filesystem::path& path, int errnum) {
  const auto inode = inode_of(path);
  const auto seen = observed().lock();
  seen->spared = inode;
  seen->errnum_of_others = errnum;
}

void SystemCallSpy::dribble(std::size_t limit) { observed().lock()->limit = limit; }

}  // namespace mmapdir::test

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names are reserved
extern "C" int fsync(int fd) {
  const auto errnum = mmapdir::test::result_of_sync(fd);
  if (!errnum) {
    return static_cast<int>(::syscall(SYS_fsync, fd));
  }
  errno = *errnum;
  return *errnum == 0 ? 0 : -1;
}

extern "C" ssize_t pread(int fd, void* buffer, size_t size, off_t offset) {
  const auto allowed = mmapdir::test::allowance(size);
  if (allowed == 0 && size != 0) {
    errno = EINTR;
    return -1;
  }
  return ::syscall(SYS_pread64, fd, buffer, allowed, offset);
}

extern "C" ssize_t write(int fd, const void* buffer, size_t size) {
  const auto allowed = mmapdir::test::allowance(size);
  if (allowed == 0 && size != 0) {
    errno = EINTR;
    return -1;
  }
  return ::syscall(SYS_write, fd, buffer, allowed);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
