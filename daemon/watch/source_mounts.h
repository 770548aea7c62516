// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "fs/types.h"
#include "watch/kernel_cache.h"

namespace mmapdirfs {

class FileSystem;

// Watches which file systems are mounted inside the source, in the daemon's mount namespace, and
// has the kernel ask again for the names where one came or went; and lets go of what is held of
// files on them, once that was unused for a moment, so that they can be unmounted. From a thread of
// its own that sleeps while nothing is mounted anywhere, nor held.
//
// Borrows the file system and the kernel's cache.
class SourceMounts {
 public:
  using Clock = std::chrono::steady_clock;
  // Lets go of what wasn't used since then; whether anything else is held.
  using LetGo = std::function<bool(Clock::time_point unused_since)>;

  SourceMounts(FileSystem& fs, KernelCache& cache, LetGo let_go)
      : fs_(fs), cache_(cache), let_go_(std::move(let_go)) {}
  SourceMounts(const SourceMounts&) = delete;
  SourceMounts& operator=(const SourceMounts&) = delete;
  ~SourceMounts() { stop(); }

  // Before the first request. Fails where /proc isn't there; then nothing is held.
  Result<void> start();

  // While requests are still answered: what is being forgotten waits for some of them.
  void stop();

 private:
  // So long it takes a program to go on with what it has looked at.
  static constexpr std::chrono::milliseconds kMoment{50};

  // Ids are used again at once, for the next mount; `serial` never is.
  struct InnerMount {
    std::string mountpoint;
    std::uint64_t id;
    std::uint64_t serial;  // of what is mounted there topmost; 0 before Linux 6.8
    auto operator<=>(const InnerMount&) const = default;
  };
  using InnerMounts = std::set<InnerMount>;

  static Result<InnerMounts> find(const std::string& root);
  void work();
  bool is_any_held_after_a_moment();
  void compare();
  void forget(const std::string& path);
  void forget_what_lay_on(const std::set<std::uint64_t>& gone);

  FileSystem& fs_;
  KernelCache& cache_;
  const LetGo let_go_;
  UniqueFd table_;     // readable in the sense of poll(2)'s POLLPRI when the table has changed
  UniqueFd call_;      // an eventfd, readable when the thread is to end
  InnerMounts known_;  // of the thread, once that runs
  std::atomic<bool> is_stopping_ = false;
  std::thread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
