// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "fs/types.h"
#include "mount_table.h"
#include "watch/kernel_cache.h"

namespace mmapdirfs {

class FileSystem;

// Watches which file systems are mounted inside the source, in the daemon's mount namespace, and
// has the kernel ask again for the names where one came or went, from a thread of its own that
// sleeps while nothing is mounted anywhere.
//
// Borrows the file system and the kernel's cache.
class SourceMounts {
 public:
  SourceMounts(FileSystem& fs, KernelCache& cache) : fs_(fs), cache_(cache) {}
  SourceMounts(const SourceMounts&) = delete;
  SourceMounts& operator=(const SourceMounts&) = delete;
  ~SourceMounts() { stop(); }

  // Fails where /proc isn't there.
  Result<void> start();

  // While requests are still answered: what is being forgotten waits for some of them.
  void stop();

 private:
  void work();
  void compare();
  void forget(const std::string& path);

  FileSystem& fs_;
  KernelCache& cache_;
  UniqueFd table_;       // readable in the sense of poll(2)'s POLLPRI when the table has changed
  UniqueFd call_;        // an eventfd, readable when the thread is to end
  MountsBeneath known_;  // of the thread, once that runs
  std::atomic<bool> is_stopping_ = false;
  std::thread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
