// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>

#include "support/guarded.h"

namespace mmapdirfs {

// How far a mount's hot set has come.
enum class HotSetState { kLoading, kLoaded, kFailed };

// "loading", "loaded", "failed".
std::string_view name_of(HotSetState state);

// Brings back, in the background, what was in memory of a source when its hot set was saved, and
// then saves it from time to time and at the end. A hot set that can't be loaded, or not to its
// end, is never overwritten: what is in memory then is less than it says.
//
// A resource type. Any thread may ask for the state.
class HotSetKeeper {
 public:
  struct Figures {
    HotSetState state = HotSetState::kLoading;
    std::optional<std::chrono::system_clock::time_point> last_saved{};
  };

  // Begins at once. `root` is the source's, borrowed. Outcomes are logged.
  HotSetKeeper(int root, std::filesystem::path file, std::chrono::seconds interval);
  HotSetKeeper(const HotSetKeeper&) = delete;
  HotSetKeeper& operator=(const HotSetKeeper&) = delete;
  ~HotSetKeeper() { stop(); }

  const std::filesystem::path& file() const { return file_; }
  Figures figures() const { return *figures_.lock(); }

  // Ends a load, or saves for the last time; returns when that is done.
  void stop();

 private:
  void keep(const std::stop_token& stop);
  bool load(const std::stop_token& stop);
  void save();

  const int root_;
  const std::filesystem::path file_;
  const std::chrono::seconds interval_;
  mutable mmapdir::Guarded<Figures> figures_;
  std::jthread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
