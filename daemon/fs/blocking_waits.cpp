// SPDX-License-Identifier: MIT
#include "fs/blocking_waits.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

// Far more than a search index has writers, far fewer than threads a process may have.
constexpr std::size_t kMaxWaits = 4096;
constexpr std::chrono::milliseconds kSignalInterval(1);

void install_wake_up_handler() {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // to interrupt a system call, a signal has to be handled
  ::sigaction(SIGRTMIN, &action, nullptr);
}

int errno_without_thread(WaitKind kind) { return kind == WaitKind::kLock ? ENOLCK : EAGAIN; }

Error error_of(WaitKind kind, int errnum) {
  return Error::from_errno(
      errnum, kind == WaitKind::kLock ? "wait for the lock" : "wait for a lease to be given up");
}

}  // namespace

BlockingWaits::BlockingWaits() {
  install_wake_up_handler();
  keeper_ = std::thread([this] { keep(); });
}

BlockingWaits::~BlockingWaits() {
  stop();
  keeper_.join();
}

WaitId BlockingWaits::prepare(WaitKind kind) {
  const std::scoped_lock lock(mutex_);
  const WaitId id{++last_};
  waits_.try_emplace(id, Wait{.kind = kind});
  return id;
}

void BlockingWaits::begin(WaitId id, Attempt attempt, const Done& done) {
  if (const auto started = start(id, std::move(attempt), done); !started) {
    done(started);
  }
}

// Fails where there is no thread that waits now.
Result<void> BlockingWaits::start(WaitId id, Attempt attempt, const Done& done) {
  const std::scoped_lock lock(mutex_);
  Wait& wait = waits_.at(id);
  if (stopping_) {
    return refuse(id, EINTR);  // the keeper, who would join its thread, may have gone
  }
  if (waits_.size() > kMaxWaits) {
    return refuse(id, errno_without_thread(wait.kind));
  }
  try {
    wait.thread = std::thread([this, id, kind = wait.kind, attempt = std::move(attempt), done] {
      run(id, kind, attempt, done);
    });
    return {};
  } catch (const std::system_error&) {
    return refuse(id, errno_without_thread(wait.kind));
  }
}

// mutex_ is held.
std::unexpected<Error> BlockingWaits::refuse(WaitId id, int errnum) {
  Error error = error_of(waits_.at(id).kind, errnum);
  waits_.erase(id);
  changed_.notify_all();
  return std::unexpected(std::move(error));
}

void BlockingWaits::run(WaitId id, WaitKind kind, const Attempt& attempt, const Done& done) {
  Result<void> result = std::unexpected(error_of(kind, EINTR));
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

bool BlockingWaits::is_interrupted(WaitId id) {
  const std::scoped_lock lock(mutex_);
  return stopping_ || waits_.at(id).is_interrupted;
}

void BlockingWaits::interrupt(WaitId id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = waits_.find(id); found != waits_.end()) {
    found->second.is_interrupted = true;
    changed_.notify_all();
  }
}

std::size_t BlockingWaits::count(WaitKind kind) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(std::ranges::count_if(waits_, [kind](const auto& entry) {
    return entry.second.kind == kind && !entry.second.is_over;
  }));
}

void BlockingWaits::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return waits_.empty(); });
}

// mutex_ is held. A thread that has nothing left to do, no longer among the waits; or none.
std::thread BlockingWaits::take_finished() {
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
bool BlockingWaits::signal_interrupted() {
  bool signalled = false;
  for (auto& [id, wait] : waits_) {
    if ((wait.is_interrupted || stopping_) && !wait.is_over && wait.thread.joinable()) {
      ::pthread_kill(wait.thread.native_handle(), SIGRTMIN);
      signalled = true;
    }
  }
  return signalled;
}

void BlockingWaits::keep() {
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
