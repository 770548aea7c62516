// SPDX-License-Identifier: MIT
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "metrics/mount_figures.h"

namespace mmapdirfs {
namespace {

// Without the descriptor by which it is read.
std::uint64_t count_open_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator each("/proc/self/fd", error);
       !error && each != std::filesystem::directory_iterator(); each.increment(error)) {
    ++count;
  }
  return count == 0 ? 0 : count - 1;
}

}  // namespace

// Each thread is a directory there, beside "." and the parent's entry.
std::size_t count_threads() {
  struct stat tasks{};
  return ::stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 2 ? tasks.st_nlink - 2 : 0;
}

DescriptorFigures count_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return {.used = count_open_descriptors(), .limit = limit.rlim_cur};
}

}  // namespace mmapdirfs
