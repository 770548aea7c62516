// SPDX-License-Identifier: MIT
#include "fuse/invalidator.h"

#include <cerrno>
#include <utility>

namespace mmapdirfs {
namespace {

// What can't be forgotten isn't known (ENOENT), or the mount is going: neither needs an answer.

// From the first byte to the last; an offset below zero would spare the pages.
int forget_inode(fuse_session* session, NodeId node, off_t offset) {
  return fuse_lowlevel_notify_inval_inode(session, static_cast<fuse_ino_t>(node), offset, 0);
}

int forget_entry(fuse_session* session, NodeId directory, const std::string& name) {
  return fuse_lowlevel_notify_inval_entry(session, static_cast<fuse_ino_t>(directory), name.c_str(),
                                          name.size());
}

}  // namespace

Invalidator::Invalidator() : worker_([this] { work(); }) {}

Invalidator::~Invalidator() { stop(); }

bool Invalidator::forget_attributes(NodeId node) {
  ++attributes_;
  return forget_inode(session_, node, -1) == 0;
}

void Invalidator::forget_name(NodeId directory, const std::string& name) {
  ++names_;
  forget_entry(session_, directory, name);
}

// A directory's pages are its listing.
void Invalidator::forget_listing(NodeId directory) {
  ++listings_;
  forget_inode(session_, directory, 0);
}

// The kernel takes the directory's lock to forget a name, one that can't exist included. Lookups
// and listings hold that lock from before they ask the daemon until they have kept the answer.
// (Asking again for a name that has aged doesn't, but a name that was forgotten meanwhile isn't
// revived by that.)
void Invalidator::wait_for_lookups(NodeId directory) { forget_entry(session_, directory, "/"); }

bool Invalidator::forget_all_names() {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  ++names_;
  return fuse_lowlevel_notify_increment_epoch(session_) == 0;
#else
  return false;
#endif
}

void Invalidator::forget_pages(NodeId node) {
  const std::scoped_lock lock(mutex_);
  stale_.insert(node);
  changed_.notify_one();
}

void Invalidator::forget_pages(NodeId node, Done done) {
  const std::scoped_lock lock(mutex_);
  tasks_.push_back({.node = node, .done = std::move(done)});
  changed_.notify_one();
}

InvalidationCounts Invalidator::counts() const {
  return {.attributes = attributes_, .pages = pages_, .names = names_, .listings = listings_};
}

void Invalidator::let_listing_age(NodeId directory) {
  const std::scoped_lock lock(mutex_);
  if (aging_nodes_.insert(directory).second) {
    aging_.emplace_back(Clock::now() + kListingAge, directory);
    if (aging_.size() == 1) {
      changed_.notify_one();  // else the thread is to wake for an earlier one
    }
  }
}

void Invalidator::take_aged() {
  while (!aging_.empty() && aging_.front().first <= Clock::now()) {
    const NodeId node = aging_.front().second;
    aging_.pop_front();
    aging_nodes_.erase(node);
    stale_.insert(node);
  }
}

void Invalidator::wait_for_work(std::unique_lock<std::mutex>& lock) {
  take_aged();
  while (!stopping_ && tasks_.empty() && stale_.empty()) {
    if (aging_.empty()) {
      changed_.wait(lock);
    } else {
      const auto due = aging_.front().first;
      changed_.wait_until(lock, due);
    }
    take_aged();
  }
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
    wait_for_work(lock);
    if (tasks_.empty() && stale_.empty()) {
      return;
    }
    Task task{.node = kNoNode, .done = [] {}};
    if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
    } else {
      task.node = *stale_.begin();
      stale_.erase(stale_.begin());
    }
    lock.unlock();
    ++pages_;
    forget_inode(session_, task.node, 0);
    task.done();
    lock.lock();
  }
}

}  // namespace mmapdirfs
