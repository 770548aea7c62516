// SPDX-License-Identifier: MIT
#include "control/pin_keeper.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace mmapdirfs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kCheckInterval(1);
constexpr std::chrono::seconds kRescanInterval(60);
// Going through the source takes a tenth of the time at most.
constexpr int kRestsPerRescan = 10;

}  // namespace

PinKeeper::PinKeeper(int root, mmapdir::MappingCache& cache,
                     std::function<std::uint64_t()> count_changes)
    : root_(root),
      count_changes_(std::move(count_changes)),
      pins_(root, cache),
      worker_([this](const std::stop_token& stop) { keep(stop); }) {}

void PinKeeper::stop() {
  worker_.request_stop();
  if (worker_.joinable()) {
    worker_.join();
  }
}

mmapdir::Result<mmapdir::PinReport> PinKeeper::pin(std::vector<mmapdir::PathPattern> patterns,
                                                   std::optional<std::uint64_t> budget,
                                                   const std::stop_token& stop) {
  auto report = pins_.pin(std::move(patterns), budget, stop);
  if (report) {
    set_active(true);
  }
  return report;
}

mmapdir::Result<mmapdir::PinTotals> PinKeeper::unpin(
    const std::vector<mmapdir::PathPattern>& patterns) {
  auto released = pins_.unpin(patterns);
  if (released && pins_.totals().files == 0) {
    set_active(false);
  }
  return released;
}

void PinKeeper::set_active(bool active) {
  const std::scoped_lock lock(mutex_);
  is_active_ = active;
  changed_.notify_all();
}

bool PinKeeper::is_as_pinned(const mmapdir::PinnedFile& file) const {
  struct stat now{};
  return ::fstatat(root_, file.path.string().c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
         now.st_dev == file.device && now.st_ino == file.inode &&
         static_cast<std::uint64_t>(now.st_size) == file.intended_bytes;
}

void PinKeeper::keep(const std::stop_token& stop) {
  std::uint64_t changes = count_changes_();
  auto rescanned = Clock::now();
  Clock::duration took{};
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return is_active_; }) && !stop.stop_requested()) {
    lock.unlock();
    for (const auto& file : pins_.list()) {
      if (!is_as_pinned(file)) {
        pins_.update(file.path);
      }
    }
    const auto now = Clock::now();
    const std::uint64_t changes_now = count_changes_();
    const bool is_due = now - rescanned > kRescanInterval || changes_now != changes;
    if (is_due && now - rescanned >= took * kRestsPerRescan) {
      pins_.rescan(stop);
      changes = changes_now;
      rescanned = Clock::now();
      took = rescanned - now;
    }
    lock.lock();
    changed_.wait_for(lock, stop, kCheckInterval, [this] { return !is_active_; });
  }
}

}  // namespace mmapdirfs
