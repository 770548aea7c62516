// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>

#include "support/process.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// What a LockPeer is told: a command of fcntl with its lock, or one of these.
inline constexpr int kFlock = -1;       // flock; the operation is lock.l_type
inline constexpr int kCloseOther = -2;  // opens the file once more and closes that
inline constexpr int kClose = -3;       // closes the descriptor
inline constexpr int kFork = -4;        // its child goes on in its place; it lives until that ends
inline constexpr int kExit = -5;
inline constexpr int kOpen = -6;     // opens the file anew as the descriptor, which is closed
inline constexpr int kHold = -7;     // a child begins to hold all descriptors that are open now
inline constexpr int kEndHold = -8;  // it ends

struct LockCall {
  int descriptor;  // 0 or 1: it has the file open twice
  int command;
  struct flock lock;
};

struct LockAnswer {
  int error;  // 0, or the errno
  struct flock lock;
};

// A process that has a file open and locks it as it is told. SIGUSR1 interrupts it. A resource
// type: the process goes with it.
class LockPeer {
 public:
  explicit LockPeer(const std::filesystem::path& file, std::array<int, 2> flags = {O_RDWR, O_RDWR});

  // Tells it, and doesn't wait. An answer must be had before the next call.
  void begin(const LockCall& call);
  std::optional<LockAnswer> answer(std::chrono::milliseconds limit = Seconds(60));
  // Both; throws where no answer comes.
  LockAnswer ask(const LockCall& call);

  Process& process() { return process_; }

 private:
  LockPeer(const std::filesystem::path& file, std::array<int, 2> flags,
           std::array<UniqueFd, 2> ends);

  UniqueFd channel_;
  Process process_;
};

// How many wait for a lock on a file, on whatever mount: `file` must be the one of the source.
int lock_waiters(const std::filesystem::path& file);

}  // namespace mmapdir::test
