// SPDX-License-Identifier: MIT
#include "fs/handle_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fs/open_flags.h"
#include "fs/source.h"

namespace mmapdirfs {
namespace {

bool may_be_executed(int fd) {
  constexpr mode_t kAnyExecute = S_IXUSR | S_IXGRP | S_IXOTH;
  struct stat found{};
  return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && (found.st_mode & kAnyExecute) != 0;
}

}  // namespace

Result<SharedFd> HandleDescriptor::for_writing() {
  if (auto state = state_.lock(); !state->is_given_up) {
    return state->fd;
  }
  const int again = flags_ & ~(O_CREAT | O_EXCL | O_TRUNC | O_TMPFILE | O_NOFOLLOW);
  UniqueFd opened(::open(ProcPath(get()->get()).c_str(), again | O_NONBLOCK | O_CLOEXEC));
  if (!opened) {
    return std::unexpected(Error::from_errno(errno, "open for writing again"));
  }
  drop_followed_flags(opened.get(), flags_);
  SharedFd gone;  // closed without the lock
  auto state = state_.lock();
  if (state->is_given_up) {  // else another thread was faster
    gone = std::exchange(state->fd, std::make_shared<const UniqueFd>(std::move(opened)));
    state->is_given_up = false;
  }
  return state->fd;
}

void HandleDescriptor::give_up_writing(const SharedFd& reading) {
  const SharedFd fd = get();
  if (fd == reading || !may_be_executed(fd->get()) ||
      ::faccessat(AT_FDCWD, ProcPath(fd->get()).c_str(), W_OK, AT_EACCESS) != 0) {
    return;
  }
  SharedFd gone;
  auto state = state_.lock();
  gone = std::exchange(state->fd, reading);
  state->is_given_up = true;
}

}  // namespace mmapdirfs
