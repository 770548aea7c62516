// SPDX-License-Identifier: MIT
// An open `control` file: commands go in, answers come out, and nobody waits for a command but who
// reads its answers.

#include <fcntl.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/control_sessions.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

using Work = std::expected<void, CommandError>;

// Commands that answer, that wait until they are told to go on, and that wait to be cancelled.
struct Commands {
  Commands() {
    table.add({.verb = "say",
               .usage = "WORD",
               .pace = CommandPace::kAtOnce,
               .least_words = 1,
               .most_words = 1,
               .prepare = [](const CommandWords& words) -> CommandWork {
                 return [word = words.words.front()](const CommandContext& context) {
                   context.say("result", {{"word", word}});
                   return Work();
                 };
               }});
    table.add({.verb = "wait",
               .usage = "",
               .pace = CommandPace::kSlow,
               .prepare = [this](const CommandWords& /*words*/) -> CommandWork {
                 return [this](const CommandContext& context) {
                   begun.count_down();
                   std::unique_lock lock(mutex);
                   changed.wait(lock, context.stop, [this] { return may_go_on; });
                   was_cancelled = context.stop.stop_requested();
                   over.set_value();
                   return was_cancelled ? Work(refuse(ECANCELED, "cancelled")) : Work();
                 };
               }});
    table.add({.verb = "flood",
               .usage = "",
               .pace = CommandPace::kSlow,
               .prepare = [this](const CommandWords& /*words*/) -> CommandWork {
                 return [this](const CommandContext& context) {
                   while (!context.stop.stop_requested()) {
                     context.say("progress", {{"text", std::string(1000, 'x')}});
                     ++said;
                   }
                   over.set_value();
                   return Work();
                 };
               }});
  }

  void go_on() {
    const std::scoped_lock lock(mutex);
    may_go_on = true;
    changed.notify_all();
  }

  CommandTable table;
  std::latch begun{1};
  std::promise<void> over;
  std::mutex mutex;
  std::condition_variable_any changed;
  bool may_go_on = false;
  bool was_cancelled = false;
  std::size_t said = 0;
};

// What a read answers, now or later.
class Answer {
 public:
  Answer(ControlSessions& sessions, HandleId handle, std::size_t size = 65536) {
    const auto reply = [promise = promise_](std::expected<std::string_view, int> text) {
      promise->set_value(text ? std::expected<std::string, int>(*text)
                              : std::unexpected(text.error()));
    };
    id_ = sessions.try_read(handle, size, reply);
    if (const auto id = id_) {
      sessions.wait_to_read(*id, size, reply);
    }
  }

  bool had_to_wait() const { return id_.has_value(); }
  WaitingRead id() const { return present(id_); }
  std::expected<std::string, int> result() { return future_.get(); }

 private:
  std::shared_ptr<std::promise<std::expected<std::string, int>>> promise_ =
      std::make_shared<std::promise<std::expected<std::string, int>>>();
  std::future<std::expected<std::string, int>> future_ = promise_->get_future();
  std::optional<WaitingRead> id_;
};

std::string read_all(ControlSessions& sessions, HandleId handle) {
  std::string all;
  while (true) {
    const auto text = Answer(sessions, handle).result();
    REQUIRE(text);
    if (text->empty()) {
      return all;
    }
    all += *text;
  }
}

constexpr const char* kDone = "{\"event\":\"done\"}\n";

TEST_CASE("A command's answers are read from its handle, and then comes the end", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(read_all(sessions, handle).empty());
  CHECK(sessions.write(handle, "say hello\n") == 10U);
  CHECK(read_all(sessions, handle) ==
        std::string("{\"event\":\"result\",\"word\":\"hello\"}\n") + kDone);
  CHECK(sessions.write(handle, "say again\n") == 10U);
  CHECK(read_all(sessions, handle).contains("again"));
}

TEST_CASE("Answers are handed out in pieces of the size that is asked for", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "say x\n"));
  CHECK(Answer(sessions, handle, 8).result() == "{\"event\"");
  CHECK(Answer(sessions, handle, 2).result() == ":\"");
}

TEST_CASE("A line may come in several writes, and several lines in one", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "sa") == 2U);
  CHECK(sessions.write(handle, "y one\n\n  \nsay two\nsay thr") == 25U);
  const std::string text = read_all(sessions, handle);
  CHECK(text.contains("one"));
  CHECK(text.contains("two"));
  CHECK_FALSE(text.contains("thr"));
}

TEST_CASE("What is wrong with a command is answered to who reads", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  for (const std::string& line :
       {std::string("nonsense"), std::string("say"), std::string("say --loud x"),
        std::string("say \"open"), std::string("say \0", 5), std::string(100'000, 'x')}) {
    CHECK(sessions.write(handle, line + "\n") == line.size() + 1);
    const std::string text = read_all(sessions, handle);
    CHECK(text.starts_with("{\"event\":\"failed\",\"errno\":22,\"message\":\""));
    CHECK(std::ranges::count(text, '\n') == 1);
  }
  CHECK(sessions.write(handle, "say fine\n"));
  CHECK(read_all(sessions, handle).contains("fine"));
}

TEST_CASE("What is wrong with a command fails the write of who only writes", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_WRONLY);
  CHECK(sessions.write(handle, "nonsense\n") == std::unexpected(EINVAL));
  CHECK(sessions.write(handle, std::string(5000, 'x')) == std::unexpected(EINVAL));
  CHECK(sessions.write(handle, "the rest of it\n") == 15U);
  CHECK(sessions.write(handle, "say x\nnonsense\n") == 6U);
  CHECK(sessions.write(handle, "nonsense\n") == std::unexpected(EINVAL));
}

TEST_CASE("While a command is under way another is busy, and its reader waits", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "wait\n"));
  CHECK(sessions.write(handle, "say x\n") == std::unexpected(EBUSY));
  CHECK(sessions.run(handle, "say x") == std::unexpected(EBUSY));
  const HandleId other = sessions.open(O_RDWR);
  CHECK(sessions.write(other, "say x\n"));
  Answer answer(sessions, handle);
  CHECK(answer.had_to_wait());
  commands.go_on();
  CHECK(answer.result() == kDone);
  CHECK(sessions.write(handle, "say x\n"));
}

TEST_CASE("A read that waits can be interrupted, and the command goes on", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "wait\n"));
  Answer answer(sessions, handle);
  sessions.interrupt(answer.id());
  CHECK(answer.result() == std::unexpected(EINTR));
  sessions.interrupt(answer.id());  // nobody any more
  commands.go_on();
  CHECK(read_all(sessions, handle) == kDone);
}

TEST_CASE("An interrupt that comes before the read has begun to wait ends it", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "wait\n"));
  std::promise<int> result;
  const auto reply = [&](std::expected<std::string_view, int> text) {
    result.set_value(text ? 0 : text.error());
  };
  const auto id = sessions.try_read(handle, 100, reply);
  sessions.interrupt(present(id));
  sessions.wait_to_read(present(id), 100, reply);
  CHECK(result.get_future().get() == EINTR);
  commands.go_on();
}

TEST_CASE("A client that goes away cancels its command", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "wait\n"));
  commands.begun.wait();
  sessions.release(handle);
  commands.over.get_future().get();
  CHECK(commands.was_cancelled);
  CHECK(sessions.write(handle, "say x\n") == std::unexpected(EBADF));
}

TEST_CASE("A command of who only writes runs to its end after he has gone", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_WRONLY);
  CHECK(sessions.write(handle, "wait\n"));
  commands.begun.wait();
  sessions.release(handle);
  commands.go_on();
  commands.over.get_future().get();
  CHECK_FALSE(commands.was_cancelled);
}

TEST_CASE("A client that doesn't read holds its command up, not the memory", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "flood\n"));
  REQUIRE(Answer(sessions, handle).result());
  sessions.release(handle);
  commands.over.get_future().get();
  CHECK(commands.said < 3000);
}

TEST_CASE("Stopping cancels what is under way and answers who waits", "[control]") {
  Commands commands;
  std::optional<Answer> answer;
  ControlSessions sessions(commands.table);
  const HandleId handle = sessions.open(O_RDWR);
  CHECK(sessions.write(handle, "wait\n"));
  commands.begun.wait();
  answer.emplace(sessions, handle);
  sessions.stop();
  commands.over.get_future().get();
  CHECK(commands.was_cancelled);
  const auto text = answer->result();
  REQUIRE(text);
  CHECK(text->contains("\"failed\""));
  CHECK(sessions.write(handle, "wait\n"));
  CHECK(read_all(sessions, handle).contains("\"errno\":11"));
}

TEST_CASE("A command that is asked for without a handle is listened to by number", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table);
  const auto number = sessions.ask("say hello");
  REQUIRE(number);
  CHECK(read_all(sessions, *number).contains("hello"));
  const auto wrong = sessions.ask("nonsense");
  REQUIRE(wrong);
  CHECK(read_all(sessions, *wrong).contains("\"errno\":22"));
}

TEST_CASE("A command ends that nobody listens to any more", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table, std::chrono::milliseconds(1));
  const auto number = sessions.ask("flood");
  REQUIRE(number);
  commands.over.get_future().get();
}

TEST_CASE("What nobody listened to is forgotten when something else is asked", "[control]") {
  const Commands commands;
  ControlSessions sessions(commands.table, std::chrono::nanoseconds(0));
  const auto left = sessions.ask("say x");
  REQUIRE(left);
  REQUIRE(sessions.ask("say y"));
  CHECK(Answer(sessions, *left).result() == std::unexpected(EBADF));
}

TEST_CASE("Who waits for an answer listens, for however long", "[control]") {
  Commands commands;
  ControlSessions sessions(commands.table, std::chrono::nanoseconds(0));
  const auto number = sessions.ask("wait");
  REQUIRE(number);
  Answer answer(sessions, *number);
  CHECK(answer.had_to_wait());
  REQUIRE(sessions.ask("say y"));
  commands.go_on();
  CHECK(answer.result() == kDone);
}

}  // namespace
}  // namespace mmapdirfs::test
