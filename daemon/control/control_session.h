// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "control/command_table.h"
#include "control/job_lane.h"
#include "fs/types.h"

namespace mmapdirfs {

// A read that waits, as its interrupter names it.
enum class WaitingRead : std::uint64_t {};

// Where commands are carried out: threads for those of each pace.
struct JobLanes {
  JobLane quick{2, 4096};
  JobLane slow{4, 1024};
};

// An open `control` file: takes one command after the other and holds the answers, lines of JSON,
// until they are read. No call waits for a command.
//
// Any thread may call. Held by a shared pointer, which the command under way shares. Borrows the
// table and the lanes.
class ControlSession : public std::enable_shared_from_this<ControlSession> {
 public:
  enum class Answers {
    kRead,     // what is wrong with a command is read as well; who goes away cancels it
    kDropped,  // opened for writing only: what is wrong fails the write; commands run to their end
  };
  // Called once, without a lock: what was read, which is valid for the call and empty at the end of
  // all answers, or the errno.
  using Reply = std::function<void(std::expected<std::string_view, int>)>;

  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kEndlessPatience = std::chrono::years(100);

  // A client that hasn't read for as long as the session's patience has gone without a word.
  ControlSession(const CommandTable& table, JobLanes& lanes, Answers answers,
                 Clock::duration patience = kEndlessPatience)
      : table_(table), lanes_(lanes), answers_(answers), patience_(patience) {}

  // How many bytes were taken, or the errno: EBUSY while a command is under way or too many answers
  // wait to be read; with kDropped also that of a command that is wrong. A line may come in parts.
  std::expected<std::size_t, int> write(std::string_view bytes);

  // A whole line.
  std::expected<void, int> run(std::string_view line);

  // Replies at once if something can be read, or nothing is to come (then with nothing).
  bool try_read(std::size_t size, const Reply& reply);
  // Replies at once or when something can be read.
  void read(WaitingRead id, std::size_t size, Reply reply);
  // Ends a read that waits, if it does: with EINTR.
  void interrupt(WaitingRead id);

  // The client has gone.
  void close();
  // Ends the command under way soon, whoever waits for it.
  void cancel();
  bool is_forsaken();

 private:
  struct Reader {
    WaitingRead id;
    std::size_t size;
    Reply reply;
  };

  // A command waits while there is more, and none is begun while there is half of it.
  static constexpr std::size_t kMostUnread = 1U << 20U;

  std::expected<void, int> take_line(std::string_view line);
  std::expected<void, int> start(CommandTable::Prepared prepared);
  std::expected<void, int> fail(const CommandError& error);
  std::string failure(const CommandError& error) const;
  void carry_out(const CommandWork& work, const std::stop_token& stop);
  void say(const char* event, const Json& members, const std::stop_token& stop);
  void put(const std::string& text);
  void put_last(const std::string& text);
  void serve_readers();
  bool is_busy();
  void wait_for_room(const std::stop_token& stop);
  bool has_room() const { return is_closed_ || unread_.size() <= kMostUnread; }
  bool nobody_reads() const { return readers_.empty() && Clock::now() >= last_read_ + patience_; }
  bool can_read() const { return !unread_.empty() || !is_running_; }
  std::string take(std::size_t size);

  const CommandTable& table_;
  JobLanes& lanes_;
  const Answers answers_;
  const Clock::duration patience_;

  // Locked by whoever writes, for as long as that takes, and before mutex_.
  std::mutex writing_;
  std::string line_;               // what has come of one
  bool skips_to_newline_ = false;  // the line was refused already

  std::mutex mutex_;
  std::condition_variable_any read_;
  // Guarded by mutex_.
  std::string unread_;
  std::deque<Reader> readers_;
  Clock::time_point last_read_ = Clock::now();
  bool is_running_ = false;
  bool is_closed_ = false;
  std::stop_source stop_;  // of the command under way
};

}  // namespace mmapdirfs
