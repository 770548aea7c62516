// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "fs/source_watch.h"
#include "support/guarded.h"
#include "watch/fanotify_group.h"
#include "watch/kernel_cache.h"
#include "watch/watch_counts.h"

namespace mmapdirfs {

class FileSystem;

// Watches directories of the source and makes the kernel forget what changes in them, from a thread
// of its own that holds no lock and serves no request. It sleeps while nothing changes.
//
// Borrows the file system and the kernel's cache. watch() and unwatch() may be called by any
// thread; no directory is watched before start(), which may fail to find a way to do it.
class Watcher final : public SourceWatch {
 public:
  Watcher(FileSystem& fs, KernelCache& cache) : fs_(fs), cache_(cache) {}
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() override { stop(); }

  // EPERM, ENOSYS, EINVAL (Linux before 5.17), EMFILE (max_user_groups): this process can't watch.
  Result<void> start();

  // While requests are still answered: what is being forgotten waits for some of them.
  void stop();

  bool watch(int fd) override;
  void unwatch(int fd) override;
  void catch_up(std::function<void()> done) override;

  WatchCounts counts() const;

 private:
  struct Waiting {
    std::vector<std::function<void()>> done;
    bool is_over = false;  // nobody will call them any more
  };

  bool is_caught_up() const;
  bool enqueue(std::function<void()>& done);
  void wake() const;
  void work();
  void carry_out_changes();
  void wait_for_change() const;
  void forget_everything();
  bool refuse(const Error& why, int fd);

  FileSystem& fs_;
  KernelCache& cache_;
  std::unique_ptr<FanotifyGroup> group_;  // constant once start() is over
  UniqueFd call_;                         // an eventfd, readable when the thread is wanted
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> is_busy_ = false;  // changes were read that aren't carried out yet
  std::atomic<bool> has_refused_ = false;
  std::atomic<std::uint64_t> changes_ = 0;
  std::atomic<std::uint64_t> overflows_ = 0;
  mmapdir::Guarded<Waiting> waiting_;
  std::thread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
