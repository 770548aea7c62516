// SPDX-License-Identifier: MIT
#include "fs/lock_descriptions.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "fs/source.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kLeastRoom = 64;

// Where the descriptor was closed just now, and its number taken by another, it is that one's.
std::size_t locks_of(int fd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
  std::size_t count = 0;
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("lock:")) {
      ++count;
    }
  }
  return count;
}

// O_NONBLOCK: a lease of others must not stop a thread.
Result<SharedFd> open_again(int fd, int access_mode) {
  const ProcPath path(fd);
  UniqueFd opened(::open(path.c_str(), access_mode | O_NONBLOCK | O_CLOEXEC));
  if (!opened) {
    opened.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  if (!opened) {
    return std::unexpected(Error::from_errno(errno, "open for locking"));
  }
  return std::make_shared<const UniqueFd>(std::move(opened));
}

}  // namespace

Result<SharedFd> open_lock_description(int fd) {
  return open_again(fd, ::fcntl(fd, F_GETFL) & O_ACCMODE);
}

Result<SharedFd> open_lock_description_for_all(int fd) { return open_again(fd, O_RDWR); }

void LockDescriptions::add(const SharedFd& description) {
  auto state = state_.lock();
  auto& known = state->descriptions;
  if (known.size() >= state->room) {
    std::erase_if(known, [](const Description& each) { return each.owner.expired(); });
    state->room = std::max(kLeastRoom, 2 * known.size());
  }
  known.push_back({.owner = description, .fd = description->get()});
}

std::size_t LockDescriptions::held() const {
  std::vector<int> open;
  for (auto state = state_.lock(); const auto& each : state->descriptions) {
    if (!each.owner.expired()) {
      open.push_back(each.fd);
    }
  }
  std::size_t count = 0;
  for (const int fd : open) {
    count += locks_of(fd);
  }
  return count;
}

}  // namespace mmapdirfs
