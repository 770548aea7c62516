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
  if (auto begun = fs_.begin_to_hold(); !begun) {
    return begun;
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
  bool is_any_held = false;
  while (!is_stopping_) {
    std::array<pollfd, 3> waiting = {
        pollfd{.fd = call_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = table_.get(), .events = POLLPRI, .revents = 0},
        pollfd{.fd = fs_.hold_notice().descriptor(), .events = POLLIN, .revents = 0}};
    ::poll(waiting.data(), waiting.size(), is_any_held ? static_cast<int>(kMoment.count()) : -1);
    if (waiting[1].revents != 0) {
      compare();
    }
    if (waiting[2].revents != 0) {
      fs_.hold_notice().take();
      is_any_held = true;
    } else if (is_any_held) {
      is_any_held = is_any_held_after_a_moment();
    }
  }
}

// While anything is held nothing is noted, so that who uses it all the time wakes nobody.
bool SourceMounts::is_any_held_after_a_moment() {
  if (let_go_(Clock::now() - kMoment)) {
    return true;
  }
  fs_.hold_notice().wait_again();
  return let_go_(Clock::now() - kMoment);
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
  std::set<std::uint64_t> gone;
  for (const auto& [mountpoint, id] : changed) {
    forget(mountpoint.substr(root.size() + 1));
    gone.insert(id);
  }
  for (const auto& [mountpoint, id] : known_) {
    gone.erase(id);  // it is new, or was moved
  }
  forget_what_lay_on(gone);
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

// A program may be in one of its directories, which on the source would have kept it from going.
void SourceMounts::forget_what_lay_on(const std::set<std::uint64_t>& gone) {
  if (gone.empty()) {
    return;
  }
  const auto nodes = fs_.give_up_mounts(gone);
  for (const auto& [parent, name] : fs_.known_names(nodes)) {
    cache_.expire_name(parent, name);
  }
  for (const NodeId node : nodes) {
    cache_.forget_attributes(node);
  }
}

}  // namespace mmapdirfs
