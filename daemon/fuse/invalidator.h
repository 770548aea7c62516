// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "fuse/adapter.h"

namespace mmapdirfs {

// Makes the kernel forget what it keeps of an inode.
//
// Pages go by a thread of this class's own. The kernel waits there for pages that are just being
// read or written, and these wait for the daemon: a thread that answers requests must not.
//
// Any thread may call. The session is borrowed, until stop().
class Invalidator {
 public:
  using Done = std::function<void()>;

  Invalidator();
  Invalidator(const Invalidator&) = delete;
  Invalidator& operator=(const Invalidator&) = delete;
  ~Invalidator();

  // Before the first request is served.
  void attach(fuse_session* session) { session_ = session; }

  // Size, times, mode and the like: the next question about them reaches the daemon.
  void forget_attributes(fuse_ino_t node);

  // Attributes and pages; what a program changed in a page by a mapping is written first. Then
  // calls `done`.
  void forget_pages(fuse_ino_t node, Done done);

  // Returns once all that was asked is done. Nothing may be asked afterwards.
  void stop();

 private:
  struct Task {
    fuse_ino_t node;
    Done done;
  };

  void work();

  fuse_session* session_ = nullptr;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Task> tasks_;
  bool stopping_ = false;

  std::thread worker_;  // the last member: it uses all others
};

}  // namespace mmapdirfs
