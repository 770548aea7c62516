// SPDX-License-Identifier: MIT
#include "background.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "support/retry_interrupted.h"

namespace mmapdirfs {
namespace {

constexpr char kReady = 'r';

void detach_from_terminal() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  bool done = static_cast<bool>(null);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    done = done && ::dup2(null.get(), standard) == standard;
  }
  // A working directory elsewhere would keep that file system busy.
  if (!done || ::chdir("/") != 0) {
    spdlog::warn("let go of the terminal: {}", std::generic_category().message(errno));
  }
}

}  // namespace

Result<Background> Background::start() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected(Error::from_errno(errno, "make a pipe"));
  }
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return std::unexpected(Error::from_errno(errno, "fork"));
  }
  if (child > 0) {
    return Background(Role::kWaiting, std::move(reader), child);
  }
  ::setsid();  // can't fail: a new process leads no group
  return Background(Role::kServing, std::move(writer), 0);
}

int Background::wait() {
  char word = 0;
  const ssize_t n = mmapdir::retry_interrupted([&] { return ::read(pipe_.get(), &word, 1); });
  if (n == 1 && word == kReady) {
    return EXIT_SUCCESS;
  }
  int status = 0;
  mmapdir::retry_interrupted([&] { return ::waitpid(child_, &status, 0); });
  // It ended before it was ready: never a success, whatever it says.
  const bool failed = WIFEXITED(status) && WEXITSTATUS(status) != EXIT_SUCCESS;
  return failed ? WEXITSTATUS(status) : EXIT_FAILURE;
}

void Background::announce_ready() {
  mmapdir::retry_interrupted([&] { return ::write(pipe_.get(), &kReady, 1); });
  pipe_.reset();
  detach_from_terminal();
}

}  // namespace mmapdirfs
