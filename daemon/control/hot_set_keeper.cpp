// SPDX-License-Identifier: MIT
#include "control/hot_set_keeper.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "mmapdir/hot_set.h"

namespace mmapdirfs {

std::string_view name_of(HotSetState state) {
  switch (state) {
    case HotSetState::kLoading:
      return "loading";
    case HotSetState::kLoaded:
      return "loaded";
    case HotSetState::kFailed:
      return "failed";
  }
  return "unknown";
}

HotSetKeeper::HotSetKeeper(int root, std::filesystem::path file, std::chrono::seconds interval)
    : root_(root),
      file_(std::move(file)),
      interval_(interval),
      worker_([this](const std::stop_token& stop) { keep(stop); }) {}

void HotSetKeeper::stop() {
  worker_.request_stop();
  if (worker_.joinable()) {
    worker_.join();
  }
}

void HotSetKeeper::keep(const std::stop_token& stop) {
  if (!load(stop)) {
    return;
  }
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  do {
    stopped.wait_for(lock, stop, interval_, [] { return false; });
    save();
  } while (!stop.stop_requested());
}

// Whether what is in memory from now on is worth saving.
bool HotSetKeeper::load(const std::stop_token& stop) {
  const auto loaded = mmapdir::load_hot_set(root_, file_, {}, {}, stop);
  if (!loaded && loaded.error().errnum() != ENOENT) {
    figures_.lock()->state = HotSetState::kFailed;
    spdlog::warn("the hot set isn't loaded, and stays as it is: {}", loaded.error().message());
    return false;
  }
  if (loaded && loaded->warmed.stopped_by == mmapdir::WarmStop::kCancel) {
    return false;
  }
  figures_.lock()->state = HotSetState::kLoaded;
  if (loaded) {
    spdlog::info("hot set loaded: {} files, {} bytes, {} files skipped", loaded->warmed.files,
                 loaded->warmed.asked_bytes, loaded->skipped.size());
  }
  return true;
}

void HotSetKeeper::save() {
  const auto saved = mmapdir::save_hot_set(root_, file_);
  if (!saved) {
    spdlog::warn("the hot set isn't saved: {}", saved.error().message());
    return;
  }
  figures_.lock()->last_saved = std::chrono::system_clock::now();
}

}  // namespace mmapdirfs
