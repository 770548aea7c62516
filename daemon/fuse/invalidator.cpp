// SPDX-License-Identifier: MIT
#include "fuse/invalidator.h"

#include <utility>

namespace mmapdirfs {

// What can't be forgotten isn't known (ENOENT), or the mount is going.

Invalidator::Invalidator() : worker_([this] { work(); }) {}

Invalidator::~Invalidator() { stop(); }

void Invalidator::forget_attributes(fuse_ino_t node) {
  fuse_lowlevel_notify_inval_inode(session_, node, -1, 0);
}

void Invalidator::forget_pages(fuse_ino_t node, Done done) {
  const std::scoped_lock lock(mutex_);
  tasks_.push_back({.node = node, .done = std::move(done)});
  changed_.notify_one();
}

void Invalidator::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (worker_.joinable()) {
    worker_.join();
  }
}

void Invalidator::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    fuse_lowlevel_notify_inval_inode(session_, task.node, 0, 0);
    task.done();
    lock.lock();
  }
}

}  // namespace mmapdirfs
