// SPDX-License-Identifier: MIT
#include "descriptor_limit.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

namespace mmapdirfs {
namespace {

// A few programs with a usual limit of 1,024 each.
constexpr rlim_t kFew = 4096;

// How many descriptors one process may have at most; 0 where that can't be read.
rlim_t machine_limit() {
  std::ifstream file("/proc/sys/fs/nr_open");
  rlim_t limit = 0;
  return file >> limit ? limit : 0;
}

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  const rlim_t most = std::max(machine_limit(), limit.rlim_max);
  const rlimit raised{.rlim_cur = most, .rlim_max = most};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
    return spdlog::debug("{} descriptors may be open", most);
  }
  // Without the privilege that fails.
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    spdlog::warn("raise the limit of open files to {}: {}", limit.rlim_max,
                 std::generic_category().message(errno));
  }
  if (limit.rlim_max < kFew) {
    spdlog::warn(
        "programs can have at most {} files of the mount open at once, and are told ENFILE then; "
        "root, or LimitNOFILE= in the unit or nofile in /etc/security/limits.conf, raises that",
        limit.rlim_max);
  }
}

}  // namespace mmapdirfs
