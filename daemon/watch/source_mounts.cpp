// SPDX-License-Identifier: MIT
#include "watch/source_mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "fs/file_system.h"
#include "mount_table.h"

namespace mmapdirfs {
namespace {

// STATX_MNT_ID_UNIQUE of Linux 6.8, which Debian 12's headers don't have.
constexpr unsigned kSerial = 0x4000;

// From what the kernel knows: a server that keeps silent mustn't be asked.
std::uint64_t serial_of_mount_on(const std::string& path) {
  struct statx found{};
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  const bool is_told = ::statx(AT_FDCWD, path.c_str(), kFlags, kSerial, &found) == 0 &&
                       (found.stx_mask & kSerial) != 0;
  return is_told ? found.stx_mnt_id : 0;
}

}  // namespace

Result<SourceMounts::InnerMounts> SourceMounts::find(const std::string& root) {
  const auto mounts = mounts_beneath(root);
  if (!mounts) {
    return std::unexpected(mounts.error());
  }
  InnerMounts found;
  for (const auto& [mountpoint, id] : *mounts) {
    found.insert({.mountpoint = mountpoint, .id = id, .serial = serial_of_mount_on(mountpoint)});
  }
  return found;
}

// The table is opened before it is read, so that no change falls between the two (proc(5):
// mountinfo is polled for POLLERR and POLLPRI, against what was polled before).
Result<void> SourceMounts::start() {
  table_ = UniqueFd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  call_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!table_ || !call_) {
    return std::unexpected(Error::from_errno(errno, "watch the table of mounts"));
  }
  auto mounts = find(fs_.source_path());
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
  auto mounts = find(root);
  if (!mounts) {
    return spdlog::error("{}", mounts.error().message());
  }
  InnerMounts changed;
  std::ranges::set_symmetric_difference(known_, *mounts, std::inserter(changed, changed.end()));
  if (changed.empty()) {
    return;
  }
  const auto before = std::exchange(known_, std::move(*mounts));
  fs_.let_go_of_all_unused();
  for (const InnerMount& mount : changed) {
    forget(mount.mountpoint.substr(root.size() + 1));
  }
  std::set<std::uint64_t> gone;
  for (const InnerMount& mount : before) {
    const bool is_there = std::ranges::any_of(known_, [&](const InnerMount& now) {
      return now.id == mount.id && now.serial == mount.serial;  // it may have been moved
    });
    if (!is_there) {
      gone.insert(mount.id);
    }
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
