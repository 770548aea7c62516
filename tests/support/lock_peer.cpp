// SPDX-License-Identifier: MIT
#include "support/lock_peer.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/files.h"

namespace mmapdir::test {
namespace {

std::array<UniqueFd, 2> make_channel() {
  std::array<int, 2> ends{};
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// In the child: goes on there; in the parent: stays, with its locks, until the child has ended.
int go_on_in_child() {
  const pid_t child = ::fork();
  if (child > 0) {
    ::waitpid(child, nullptr, 0);
    ::_exit(EXIT_SUCCESS);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

// A child that keeps what its parent has open, and does nothing else.
pid_t start_holder() {
  const pid_t child = must(::fork(), "fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) {
      ::pause();
    }
  }
  return child;
}

void end_holder(pid_t holder) {
  must(::kill(holder, SIGKILL), "kill");
  must(::waitpid(holder, nullptr, 0), "waitpid");
}

class LockServer {
 public:
  LockServer(const std::filesystem::path& file, std::array<int, 2> flags)
      : file_(file),
        flags_(flags),
        descriptors_{open_fd(file, flags[0]), open_fd(file, flags[1])} {}

  int serve(int channel) {
    LockCall call{};
    while (::recv(channel, &call, sizeof call, 0) == sizeof call && call.command != kExit) {
      const int result = carry_out(call);
      const LockAnswer answer{.error = result == -1 ? errno : 0, .lock = call.lock};
      must(::send(channel, &answer, sizeof answer, 0), "send");
    }
    return EXIT_SUCCESS;
  }

 private:
  int carry_out(LockCall& call) {
    const auto place = static_cast<std::size_t>(call.descriptor);
    UniqueFd& fd = descriptors_.at(place);
    switch (call.command) {
      case kFlock:
        return ::flock(fd.get(), call.lock.l_type);
      case kCloseOther:
        (void)open_fd(file_, O_RDONLY);
        return 0;
      case kClose:
        fd.reset();
        return 0;
      case kFork:
        return go_on_in_child();
      case kOpen:
        fd.reset();
        fd = open_fd(file_, flags_.at(place));
        return 0;
      case kHold:
        holder_ = start_holder();
        return 0;
      case kEndHold:
        end_holder(holder_);
        return 0;
      default:
        return ::fcntl(fd.get(), call.command, &call.lock);
    }
  }

  std::filesystem::path file_;
  std::array<int, 2> flags_;
  std::array<UniqueFd, 2> descriptors_;
  pid_t holder_ = 0;
};

}  // namespace

LockPeer::LockPeer(const std::filesystem::path& file, std::array<int, 2> flags)
    : LockPeer(file, flags, make_channel()) {}

LockPeer::LockPeer(const std::filesystem::path& file, std::array<int, 2> flags,
                   std::array<UniqueFd, 2> ends)
    : channel_(std::move(ends[0])), process_(Process::call([&] {
        struct sigaction interruption{};  // without SA_RESTART
        interruption.sa_handler = [](int) {};
        must(::sigaction(SIGUSR1, &interruption, nullptr), "sigaction");
        channel_.reset();  // the caller's end, whose closing is to be noticed
        return LockServer(file, flags).serve(ends[1].get());
      })) {}

void LockPeer::begin(const LockCall& call) {
  must(::send(channel_.get(), &call, sizeof call, MSG_NOSIGNAL), "send");
}

std::optional<LockAnswer> LockPeer::answer(std::chrono::milliseconds limit) {
  pollfd ready{.fd = channel_.get(), .events = POLLIN, .revents = 0};
  if (must(::poll(&ready, 1, static_cast<int>(limit.count())), "poll") == 0) {
    return std::nullopt;
  }
  LockAnswer answer{};
  if (must(::recv(channel_.get(), &answer, sizeof answer, 0), "recv") != sizeof answer) {
    return std::nullopt;
  }
  return answer;
}

LockAnswer LockPeer::ask(const LockCall& call) {
  begin(call);
  const auto answered = answer();
  if (!answered) {
    throw std::runtime_error(fmt::format("no answer to lock command {}", call.command));
  }
  return *answered;
}

// proc_locks(5): a line with an arrow waits for the one before; the file is device:device:inode.
// It is read in pieces, between which other processes' locks come and go: ask more than once.
int lock_waiters(const std::filesystem::path& file) {
  struct stat found{};
  must(::stat(file.c_str(), &found), "stat");
  const std::string inode = fmt::format(":{} ", found.st_ino);
  std::ifstream locks("/proc/locks");
  int count = 0;
  for (std::string line; std::getline(locks, line);) {
    count += line.contains("->") && line.contains(inode) ? 1 : 0;
  }
  return count;
}

}  // namespace mmapdir::test
