// SPDX-License-Identifier: MIT
#include "control/job_lane.h"

#include <system_error>
#include <utility>

namespace mmapdirfs {

bool JobLane::add(Job job) {
  const std::scoped_lock lock(mutex_);
  if (stopping_ || jobs_.size() >= waiting_) {
    return false;
  }
  jobs_.push_back(std::move(job));
  if (idle_ < jobs_.size() && threads_.size() < most_threads_) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) {  // else those that there are do it
        jobs_.pop_back();
        return false;
      }
    }
  }
  changed_.notify_one();
  return true;
}

void JobLane::close() {
  const std::scoped_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void JobLane::stop() {
  std::vector<std::thread> threads;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

void JobLane::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) {
      return;
    }
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace mmapdirfs
