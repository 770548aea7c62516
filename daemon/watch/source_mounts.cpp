// SPDX-License-Identifier: MIT
#include "watch/source_mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "fs/file_system.h"

namespace mmapdirfs {

// The table is opened before it is read, so that no change falls between the two (proc(5):
// mountinfo is polled for POLLERR and POLLPRI, against what was polled before).
Result<void> SourceMounts::start() {
  table_ = UniqueFd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  call_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!table_ || !call_) {
    return std::unexpected(Error::from_errno(errno, "watch the table of mounts"));
  }
  auto mounts = mounts_beneath(fs_.source_path());
  if (!mounts) {
    return std::unexpected(mounts.error());
  }
  known_ = std::move(*mounts);
  worker_ = std::thread([this] { work(); });
  return {};
}

void SourceMounts::stop() {
  if (worker_.joinable()) {
    is_stopping_ = true;
    ::eventfd_write(call_.get(), 1);
    worker_.join();
  }
}

void SourceMounts::work() {
  while (!is_stopping_) {
    std::array<pollfd, 2> waiting = {pollfd{.fd = call_.get(), .events = POLLIN, .revents = 0},
                                     pollfd{.fd = table_.get(), .events = POLLPRI, .revents = 0}};
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[1].revents != 0) {
      compare();
    }
  }
}

void SourceMounts::compare() {
  const std::string root = fs_.source_path();
  auto mounts = mounts_beneath(root);
  if (!mounts) {
    return spdlog::error("{}", mounts.error().message());
  }
  MountsBeneath changed;
  std::ranges::set_symmetric_difference(known_, *mounts, std::inserter(changed, changed.end()));
  known_ = std::move(*mounts);
  if (changed.empty()) {
    return;
  }
  fs_.let_go_of_all_unused();
  for (const auto& [mountpoint, id] : changed) {
    forget(mountpoint.substr(root.size() + 1));
  }
}

// The name is expired: something may be mounted there within the mount. All beneath it was reached
// by it. What isn't known isn't kept.
void SourceMounts::forget(const std::string& path) {
  const auto slash = path.rfind('/');
  const NodeId directory = fs_.node_at(slash == std::string::npos ? "" : path.substr(0, slash));
  if (directory == kNoNode) {
    return;
  }
  const std::string name = path.substr(slash + 1);
  spdlog::debug("a file system was mounted on or unmounted from '{}' in the source", path);
  cache_.expire_name(directory, name);
  cache_.expire_name_again(directory, name);
  cache_.forget_listing(directory);
}

}  // namespace mmapdirfs
