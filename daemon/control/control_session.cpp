// SPDX-License-Identifier: MIT
#include "control/control_session.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <utility>

#include "control/control_ioctl.h"
#include "control/json_line.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kMostCommandBytes = sizeof(ControlCommand);

CommandError too_long() {
  return {.errnum = EINVAL,
          .message = "the command is too long; allowed is a line of at most " +
                     std::to_string(kMostCommandBytes) + " bytes"};
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

std::expected<std::size_t, int> ControlSession::write(std::string_view bytes) {
  const std::scoped_lock turn(writing_);
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const auto newline = bytes.find('\n', taken);
    const bool ends = newline != std::string_view::npos;
    const auto piece = bytes.substr(taken, ends ? newline - taken : newline);
    const std::size_t after = taken + piece.size() + (ends ? 1 : 0);
    std::expected<void, int> done;
    if (is_busy()) {
      done = std::unexpected(EBUSY);
    }
    if (done && skips_to_newline_) {
      skips_to_newline_ = !ends;
    } else if (done && line_.size() + piece.size() > kMostCommandBytes) {
      line_.clear();
      skips_to_newline_ = !ends;
      done = fail(too_long());
    } else if (done) {
      line_ += piece;
      done = ends ? take_line(std::exchange(line_, {})) : done;
    }
    if (!done) {
      // What went before was taken; the rest comes again, and then fails.
      if (taken > 0) {
        skips_to_newline_ = false;
        return taken;
      }
      return std::unexpected(done.error());
    }
    taken = after;
  }
  return taken;
}

std::expected<void, int> ControlSession::run(std::string_view line) {
  const std::scoped_lock turn(writing_);
  if (is_busy()) {
    return std::unexpected(EBUSY);
  }
  return take_line(line);
}

std::expected<void, int> ControlSession::take_line(std::string_view line) {
  if (is_blank(line)) {
    return {};
  }
  auto prepared = table_.prepare(line);
  return prepared ? start(std::move(*prepared)) : fail(prepared.error());
}

std::expected<void, int> ControlSession::start(CommandTable::Prepared prepared) {
  const std::stop_source stop;
  {
    const std::scoped_lock lock(mutex_);
    is_running_ = true;
    stop_ = stop;
  }
  if (prepared.pace == CommandPace::kAtOnce) {
    carry_out(prepared.work, stop.get_token());
    return {};
  }
  JobLane& lane = prepared.pace == CommandPace::kQuick ? lanes_.quick : lanes_.slow;
  const bool added = lane.add([self = shared_from_this(), work = std::move(prepared.work), stop] {
    self->carry_out(work, stop.get_token());
  });
  if (added) {
    return {};
  }
  const CommandError full{
      .errnum = EAGAIN, .message = "too many commands wait already; try again when some are done"};
  put_last(failure(full));
  return answers_ == Answers::kRead ? std::expected<void, int>() : std::unexpected(full.errnum);
}

std::string ControlSession::failure(const CommandError& error) const {
  if (answers_ == Answers::kDropped) {
    spdlog::warn("control: {}", error.message);
  }
  return json_line({{"event", "failed"}, {"errno", error.errnum}, {"message", error.message}});
}

// Of a command that wasn't begun.
std::expected<void, int> ControlSession::fail(const CommandError& error) {
  put(failure(error));
  return answers_ == Answers::kRead ? std::expected<void, int>() : std::unexpected(error.errnum);
}

void ControlSession::carry_out(const CommandWork& work, const std::stop_token& stop) {
  const CommandContext context{
      .say = [&](const char* event, const Json& members) { say(event, members, stop); },
      .stop = stop};
  std::expected<void, CommandError> result;
  try {
    result = work(context);
  } catch (const std::exception& error) {
    spdlog::critical("a bug in mmapdirfs: {}", error.what());
    result = refuse(EIO, error.what());
  }
  put_last(result ? json_line({{"event", "done"}}) : failure(result.error()));
}

void ControlSession::say(const char* event, const Json& members, const std::stop_token& stop) {
  if (answers_ == Answers::kDropped) {
    return;
  }
  Json line = {{"event", event}};
  line.update(members);
  put(json_line(line));
  wait_for_room(stop);
}

// A command that nobody listens to any more ends, as it does when its handle is closed.
void ControlSession::wait_for_room(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!has_room() && !nobody_reads() && !stop.stop_requested()) {
    read_.wait_until(lock, stop, last_read_ + patience_, [this] { return has_room(); });
  }
  if (nobody_reads()) {
    stop_.request_stop();
  }
}

void ControlSession::put(const std::string& text) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_closed_ && answers_ == Answers::kRead) {
      unread_ += text;
    }
  }
  serve_readers();
}

// With the command's end, so that who has read the last line can give the next command.
void ControlSession::put_last(const std::string& text) {
  {
    const std::scoped_lock lock(mutex_);
    is_running_ = false;
    if (!is_closed_ && answers_ == Answers::kRead) {
      unread_ += text;
    }
  }
  serve_readers();
}

bool ControlSession::is_busy() {
  const std::scoped_lock lock(mutex_);
  return is_running_ || unread_.size() > kMostUnread / 2;
}

// mutex_ is held.
std::string ControlSession::take(std::size_t size) {
  std::string text = unread_.substr(0, size);
  unread_.erase(0, text.size());
  last_read_ = Clock::now();
  read_.notify_all();
  return text;
}

bool ControlSession::try_read(std::size_t size, const Reply& reply) {
  std::string text;
  {
    const std::scoped_lock lock(mutex_);
    if (!can_read()) {
      return false;
    }
    text = take(size);
  }
  reply(text);
  return true;
}

void ControlSession::read(WaitingRead id, std::size_t size, Reply reply) {
  {
    const std::scoped_lock lock(mutex_);
    readers_.push_back({.id = id, .size = size, .reply = std::move(reply)});
  }
  serve_readers();
}

void ControlSession::serve_readers() {
  while (true) {
    Reader reader;
    std::string text;
    {
      const std::scoped_lock lock(mutex_);
      if (readers_.empty() || !can_read()) {
        return;
      }
      reader = std::move(readers_.front());
      readers_.pop_front();
      text = take(reader.size);
    }
    reader.reply(text);
  }
}

void ControlSession::interrupt(WaitingRead id) {
  Reader reader;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = std::ranges::find(readers_, id, &Reader::id);
    if (found == readers_.end()) {
      return;
    }
    reader = std::move(*found);
    readers_.erase(found);
    last_read_ = Clock::now();
  }
  reader.reply(std::unexpected(EINTR));
}

void ControlSession::close() {
  const std::scoped_lock lock(mutex_);
  is_closed_ = true;
  unread_.clear();
  if (answers_ == Answers::kRead) {
    stop_.request_stop();
  }
  read_.notify_all();
}

bool ControlSession::is_forsaken() {
  const std::scoped_lock lock(mutex_);
  return nobody_reads();
}

void ControlSession::cancel() {
  const std::scoped_lock lock(mutex_);
  stop_.request_stop();
}

}  // namespace mmapdirfs
