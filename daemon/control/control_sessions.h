// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/command_table.h"
#include "control/control_session.h"
#include "fs/handle_table.h"
#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// The open `control` files of a mount, and the threads that carry their commands out.
//
// Any thread may call. Borrows the table.
class ControlSessions {
 public:
  // `patience`: after how long nobody listens to a command any more that was asked for.
  explicit ControlSessions(const CommandTable& table,
                           ControlSession::Clock::duration patience = std::chrono::minutes(1))
      : table_(table), patience_(patience) {}
  ControlSessions(const ControlSessions&) = delete;
  ControlSessions& operator=(const ControlSessions&) = delete;
  ~ControlSessions() { stop(); }

  // `flags` are open(2)'s. Who may open it has been checked.
  HandleId open(int flags);
  void release(HandleId handle);

  // EBADF for a handle that isn't open.
  std::expected<std::size_t, int> write(HandleId handle, std::string_view bytes);
  std::expected<void, int> run(HandleId handle, std::string_view line);
  // Where opens send no message: opens a handle for one command, whose answers are to be read, and
  // which is to be released after the last. One that is never released is before others are opened.
  std::expected<HandleId, int> ask(std::string_view line);

  // Replies at once, or answers the number by which the read can be interrupted before or after
  // wait_to_read() has begun it.
  std::optional<WaitingRead> try_read(HandleId handle, std::size_t size,
                                      const ControlSession::Reply& reply);
  void wait_to_read(WaitingRead id, std::size_t size, ControlSession::Reply reply);
  void interrupt(WaitingRead id);

  // Ends all commands; returns once they have ended and reads no longer wait. None is begun
  // afterwards.
  void stop();

 private:
  using Shared = std::shared_ptr<ControlSession>;

  struct Waiting {
    Shared session;
    bool is_interrupted = false;
  };
  struct Waits {
    std::unordered_map<WaitingRead, Waiting> reads;
    std::uint64_t last = 0;
  };

  Shared make(ControlSession::Answers answers,
              ControlSession::Clock::duration patience = ControlSession::kEndlessPatience);
  void drop_forsaken();
  void forget_wait(WaitingRead id) { waits_.lock()->reads.erase(id); }

  const CommandTable& table_;
  const ControlSession::Clock::duration patience_;
  JobLanes lanes_;
  HandleTable<ControlSession> handles_;
  mmapdir::Guarded<Waits> waits_;
  // All that may have a command under way, also after their handle went.
  mmapdir::Guarded<std::vector<std::weak_ptr<ControlSession>>> sessions_;
};

}  // namespace mmapdirfs
