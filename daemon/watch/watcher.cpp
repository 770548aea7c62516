// SPDX-License-Identifier: MIT
#include "watch/watcher.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "fs/file_system.h"
#include "watch/change_batch.h"
#include "watch/expire_names.h"
#include "watch/local_file_system.h"

namespace mmapdirfs {
namespace {

// How long changes gather after some were carried out, so that a busy writer's merge: a thousandth
// of the processor's time at most goes into waking up, and a change is known within two of these.
constexpr int kGatherMilliseconds = 1;

std::string path_of(int fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t n = ::readlink(ProcPath(fd).c_str(), path.data(), path.size());
  path.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return path;
}

}  // namespace

Result<void> Watcher::start() {
  auto group = FanotifyGroup::create();
  if (!group) {
    return std::unexpected(group.error());
  }
  call_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!call_) {
    return std::unexpected(Error::from_errno(errno, "watch the source"));
  }
  group_ = std::make_unique<FanotifyGroup>(std::move(*group));
  worker_ = std::thread([this] { work(); });
  return {};
}

void Watcher::stop() {
  if (worker_.joinable()) {
    is_stopping_ = true;
    wake();
    worker_.join();
  }
}

void Watcher::wake() const {
  ::eventfd_write(call_.get(), 1);  // EAGAIN: it was called 2^64 times, and need not be again
}

bool Watcher::watch(int fd) {
  if (!is_local_file_system(fd)) {
    return refuse(
        Error::from_errno(EREMOTE, "watch a directory whose changes this kernel may not see"), fd);
  }
  if (const auto added = group_->add(fd); !added) {
    return refuse(added.error(), fd);
  }
  return true;
}

void Watcher::unwatch(int fd) {
  if (const auto removed = group_->remove(fd); !removed && removed.error().errnum() != ENOENT) {
    spdlog::debug("{}", removed.error().message());
  }
}

bool Watcher::refuse(const Error& why, int fd) {
  if (!has_refused_.exchange(true)) {
    spdlog::warn(
        "'{}' can't be watched: {}; there, and wherever else that is so, names and attributes are "
        "asked for again after a second{}",
        path_of(fd), why.message(),
        why.errnum() == ENOSPC ? " (raise the sysctl fs.fanotify.max_user_marks)" : "");
  }
  return false;
}

// Changes are queued before the call that makes them returns. What was read from the queue made
// the thread busy before: so the queue is looked at first.
bool Watcher::is_caught_up() const { return !group_->has_changes() && !is_busy_; }

void Watcher::catch_up(std::function<void()> done) {
  if (is_caught_up() || !enqueue(done)) {
    done();
  }
}

bool Watcher::enqueue(std::function<void()>& done) {
  auto waiting = waiting_.lock();
  if (waiting->is_over) {
    return false;
  }
  waiting->done.push_back(std::move(done));
  wake();
  return true;
}

void Watcher::wait_for_change() const {
  std::array<pollfd, 2> waiting = {
      pollfd{.fd = call_.get(), .events = POLLIN, .revents = 0},
      pollfd{.fd = group_->descriptor(), .events = POLLIN, .revents = 0}};
  ::poll(waiting.data(), waiting.size(), -1);  // interrupted: as good as a call
}

// A call is taken before what it is about is looked at, so that none is lost. Who waits is answered
// in any case: after the last turn too.
void Watcher::work() {
  while (!is_stopping_) {
    wait_for_change();
    eventfd_t calls = 0;
    ::eventfd_read(call_.get(), &calls);  // EAGAIN: nobody has called
    carry_out_changes();
    pollfd call{.fd = call_.get(), .events = POLLIN, .revents = 0};
    ::poll(&call, 1, is_stopping_ ? 0 : kGatherMilliseconds);
  }
  waiting_.lock()->is_over = true;
  carry_out_changes();
}

void Watcher::carry_out_changes() {
  const auto waiting = std::exchange(waiting_.lock()->done, {});
  is_busy_ = true;
  ChangeBatch batch;
  const auto read = group_->read([&](const Change& change) {
    ++changes_;
    batch.add(change);
  });
  if (!read) {
    spdlog::error("{}", read.error().message());
    batch.note_overflow();
  }
  if (batch.has_overflowed()) {
    ++overflows_;
    forget_everything();
  }
  batch.carry_out(fs_, cache_);
  is_busy_ = false;
  for (const auto& done : waiting) {
    done();
  }
}

WatchCounts Watcher::counts() const { return {.changes = changes_, .overflows = overflows_}; }

void Watcher::forget_everything() {
  spdlog::warn(
      "the source changes faster than the kernel reports it: everything is looked up anew");
  fs_.distrust_files();
  expire_all_names(fs_, cache_);
  const auto nodes = fs_.known_nodes();
  for (const NodeId node : nodes) {
    cache_.forget_attributes(node);
  }
  for (const NodeId node : nodes) {
    cache_.forget_pages(node);
  }
}

}  // namespace mmapdirfs
