// SPDX-License-Identifier: MIT
#include "fuse/invalidator.h"

#include <algorithm>
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

// ENOSYS: the kernel can't (before Linux 6.2), and what is mounted there isn't spared.
int expire_entry(fuse_session* session, NodeId directory, const std::string& name) {
  const int result = fuse_lowlevel_notify_expire_entry(session, static_cast<fuse_ino_t>(directory),
                                                       name.c_str(), name.size());
  return result == -ENOSYS ? forget_entry(session, directory, name) : result;
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

bool Invalidator::expire_name(NodeId directory, const std::string& name) {
  ++names_;
  return expire_entry(session_, directory, name) == 0;
}

void Invalidator::expire_name_again(NodeId directory, const std::string& name) {
  const auto now = Clock::now();
  const std::scoped_lock lock(mutex_);
  expiring_.emplace(now + kSoon, Name{.directory = directory, .name = name});
  expiring_.emplace(now + kLater, Name{.directory = directory, .name = name});
  changed_.notify_one();
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
  while (!expiring_.empty() && expiring_.begin()->first <= Clock::now()) {
    expired_.push_back(std::move(expiring_.begin()->second));
    expiring_.erase(expiring_.begin());
  }
}

bool Invalidator::has_work() const {
  return !tasks_.empty() || !stale_.empty() || !expired_.empty();
}

std::optional<Invalidator::Clock::time_point> Invalidator::next_due() const {
  std::optional<Clock::time_point> due;
  if (!aging_.empty()) {
    due = aging_.front().first;
  }
  if (!expiring_.empty()) {
    due = std::min(due.value_or(expiring_.begin()->first), expiring_.begin()->first);
  }
  return due;
}

void Invalidator::wait_for_work(std::unique_lock<std::mutex>& lock) {
  take_aged();
  while (!stopping_ && !has_work()) {
    if (const auto due = next_due()) {
      changed_.wait_until(lock, *due);
    } else {
      changed_.wait(lock);
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
    if (!has_work()) {
      return;
    }
    do_next(lock);
  }
}

// What is quick and what somebody waits for goes first.
void Invalidator::do_next(std::unique_lock<std::mutex>& lock) {
  if (!expired_.empty()) {
    const Name name = std::move(expired_.front());
    expired_.pop_front();
    lock.unlock();
    expire_name(name.directory, name.name);
    lock.lock();
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

}  // namespace mmapdirfs
