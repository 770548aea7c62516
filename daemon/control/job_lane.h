// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mmapdirfs {

// Jobs that wait for a thread, in their order. Threads come with the first jobs, stay, and sleep
// while there is nothing to do. Any thread may call.
class JobLane {
 public:
  using Job = std::function<void()>;  // throws nothing

  // `threads` jobs at once; `waiting` more may queue.
  JobLane(std::size_t threads, std::size_t waiting) : most_threads_(threads), waiting_(waiting) {}
  JobLane(const JobLane&) = delete;
  JobLane& operator=(const JobLane&) = delete;
  ~JobLane() { stop(); }

  // False where too many wait already, or the lane is closed.
  bool add(Job job);

  // From now on nothing more is added.
  void close();
  // Returns once all jobs that were added are done; closes the lane.
  void stop();

 private:
  void work();

  const std::size_t most_threads_;
  const std::size_t waiting_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Job> jobs_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace mmapdirfs
