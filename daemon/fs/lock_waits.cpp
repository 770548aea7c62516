// SPDX-License-Identifier: MIT
#include "fs/lock_waits.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

// Far more waiters than a search index has writers, far fewer than threads a process may have.
constexpr std::size_t kMaxWaits = 4096;
constexpr std::chrono::milliseconds kSignalInterval(1);

void install_wake_up_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // to interrupt a system call, a signal has to be handled
  ::sigaction(SIGRTMIN, &action, nullptr);
}

}  // namespace

LockWaits::LockWaits() {
  install_wake_up_handler();
  keeper_ = std::thread([this] { keep(); });
}

LockWaits::~LockWaits() {
  stop();
  keeper_.join();
}

WaitId LockWaits::prepare() {
  const std::scoped_lock lock(mutex_);
  const WaitId id{++last_};
  waits_.try_emplace(id);
  return id;
}

void LockWaits::begin(WaitId id, Attempt attempt, const Done& done) {
  if (!start(id, std::move(attempt), done)) {
    done(std::unexpected(Error::from_errno(ENOLCK, "wait for the lock")));
  }
}

// Whether there is a thread that waits now.
bool LockWaits::start(WaitId id, Attempt attempt, const Done& done) {
  const std::scoped_lock lock(mutex_);
  if (waits_.size() > kMaxWaits) {
    drop(id);
    return false;
  }
  try {
    waits_.at(id).thread =
        std::thread([this, id, attempt = std::move(attempt), done] { run(id, attempt, done); });
    return true;
  } catch (const std::system_error&) {
    drop(id);  // no thread is to be had
    return false;
  }
}

// mutex_ is held.
void LockWaits::drop(WaitId id) {
  waits_.erase(id);
  changed_.notify_all();
}

void LockWaits::run(WaitId id, const Attempt& attempt, const Done& done) {
  Result<void> result = std::unexpected(Error::from_errno(EINTR, "wait for the lock"));
  while (!result && result.error().errnum() == EINTR && !is_interrupted(id)) {
    result = attempt();
  }
  {
    const std::scoped_lock lock(mutex_);
    waits_.at(id).is_over = true;  // from here on no signal comes
  }
  done(result);
  const std::scoped_lock lock(mutex_);
  changed_.notify_all();
  waits_.at(id).is_done = true;
}

bool LockWaits::is_interrupted(WaitId id) {
  const std::scoped_lock lock(mutex_);
  return stopping_ || waits_.at(id).is_interrupted;
}

void LockWaits::interrupt(WaitId id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = waits_.find(id); found != waits_.end()) {
    found->second.is_interrupted = true;
    changed_.notify_all();
  }
}

std::size_t LockWaits::size() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(waits_, [](const auto& entry) { return !entry.second.is_over; }));
}

void LockWaits::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return waits_.empty(); });
}

// mutex_ is held. A thread that has nothing left to do, no longer among the waits; or none.
std::thread LockWaits::take_finished() {
  const auto found =
      std::ranges::find_if(waits_, [](const auto& entry) { return entry.second.is_done; });
  if (found == waits_.end()) {
    return {};
  }
  std::thread finished = std::move(found->second.thread);
  waits_.erase(found);
  return finished;
}

// mutex_ is held. Whether any wait was signalled, and so may have to be again.
bool LockWaits::signal_interrupted() {
  bool signalled = false;
  for (auto& [id, wait] : waits_) {
    if ((wait.is_interrupted || stopping_) && !wait.is_over && wait.thread.joinable()) {
      ::pthread_kill(wait.thread.native_handle(), SIGRTMIN);
      signalled = true;
    }
  }
  return signalled;
}

void LockWaits::keep() {
  std::unique_lock lock(mutex_);
  while (!stopping_ || !waits_.empty()) {
    if (std::thread finished = take_finished(); finished.joinable()) {
      changed_.notify_all();
      lock.unlock();
      finished.join();
      lock.lock();
    } else if (signal_interrupted()) {
      changed_.wait_for(lock, kSignalInterval);
    } else {
      changed_.wait(lock);
    }
  }
}

}  // namespace mmapdirfs
