// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "mmapdir/mapping_cache.h"
#include "mmapdir/path_pattern.h"
#include "mmapdir/pins.h"

namespace mmapdirfs {

// A mount's pins, and what keeps them true: a thread that looks each second whether the pinned
// files are still those that their names lead to, and goes through the whole source when changes
// are reported there and once a minute. It sleeps while there are no pins.
//
// A resource type. Any thread may call.
class PinKeeper {
 public:
  // `root` is the source's and borrowed, as is the cache. `count_changes` says how many changes on
  // the source were reported so far; it may be called until stop().
  PinKeeper(int root, mmapdir::MappingCache& cache, std::function<std::uint64_t()> count_changes);
  PinKeeper(const PinKeeper&) = delete;
  PinKeeper& operator=(const PinKeeper&) = delete;
  ~PinKeeper() { stop(); }

  // As mmapdir::Pins has them.
  mmapdir::Result<mmapdir::PinReport> pin(std::vector<mmapdir::PathPattern> patterns,
                                          std::optional<std::uint64_t> budget,
                                          const std::stop_token& stop);
  mmapdir::Result<mmapdir::PinTotals> unpin(const std::vector<mmapdir::PathPattern>& patterns);
  std::vector<mmapdir::PinnedFile> list() const { return pins_.list(); }
  mmapdir::PinTotals totals() const { return pins_.totals(); }

  // From now on the pins stay as they are.
  void stop();

 private:
  void set_active(bool active);
  void keep(const std::stop_token& stop);
  bool is_as_pinned(const mmapdir::PinnedFile& file) const;

  const int root_;
  const std::function<std::uint64_t()> count_changes_;
  mmapdir::Pins pins_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_active_ = false;  // guarded by mutex_

  std::jthread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
