// SPDX-License-Identifier: MIT
#include "ctl/command.h"

#include <fmt/format.h>

#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "ctl/fields.h"
#include "ctl/printable.h"

namespace mmapdirfs::ctl {
namespace {

std::optional<Json> parse_object(std::string_view text) {
  auto json = Json::parse(text, nullptr, false);
  return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

Failure not_understood(std::string_view what, std::string_view text) {
  constexpr std::size_t kEnough = 80;
  return {.message = fmt::format("{} that isn't one: '{}'; does another version serve this mount?",
                                 what, printable(text.substr(0, kEnough)))};
}

// Takes one line of an answer at a time and remembers how it ended.
class AnswerReader {
 public:
  explicit AnswerReader(const Answers& answers) : answers_(answers) {}

  void take(std::string_view line) {
    auto parsed = parse_object(line);
    if (!parsed) {
      failure_ = not_understood("the daemon gave an answer", line);
      return;
    }
    Json& object = *parsed;
    const auto event = text_of(object, "event");
    object.erase("event");
    if (event == "result") {
      answers_.result(object);
    } else if (event == "progress") {
      answers_.progress(object);
    } else if (event == "done") {
      done_ = true;
    } else if (event == "failed") {
      failure_ = Failure{.message = printable(text_of(object, "message"))};
    }
  }

  Outcome<Ending> end(Ending ending) const {
    if (ending == Ending::kInterrupted) {
      return ending;
    }
    if (failure_) {
      return std::unexpected(*failure_);
    }
    if (!done_) {
      return fail("the answer broke off: the daemon has ended, or is ending");
    }
    return ending;
  }

 private:
  const Answers& answers_;
  std::optional<Failure> failure_;
  bool done_ = false;
};

}  // namespace

Outcome<Ending> run_command(ControlChannel& channel, const CommandText& command,
                            const Answers& answers) {
  const auto text = command.text();
  if (!text) {
    return std::unexpected(text.error());
  }
  AnswerReader reader(answers);
  const auto ending =
      channel.converse(*text, [&reader](std::string_view line) { reader.take(line); });
  return ending ? reader.end(*ending) : ending;
}

Outcome<Json> ask(ControlChannel& channel, const CommandText& command) {
  Json answer = Json::object();
  const auto ending =
      run_command(channel, command, {.result = [&](const Json& result) { answer = result; }});
  if (!ending) {
    return std::unexpected(ending.error());
  }
  return *ending == Ending::kInterrupted ? Outcome<Json>(fail("interrupted")) : answer;
}

Outcome<Json> read_object(ControlChannel& channel, std::string_view name) {
  const auto text = channel.read_file(name);
  if (!text) {
    return std::unexpected(text.error());
  }
  auto object = parse_object(*text);
  if (!object) {
    return std::unexpected(not_understood(fmt::format("'{}' holds an object", name), *text));
  }
  return std::move(*object);
}

Outcome<std::vector<Json>> read_lines(ControlChannel& channel, std::string_view name) {
  const auto text = channel.read_file(name);
  if (!text) {
    return std::unexpected(text.error());
  }
  std::vector<Json> rows;
  for (const auto part : std::views::split(*text, '\n')) {
    const std::string_view line(part.begin(), part.end());
    if (line.empty()) {
      continue;
    }
    auto row = parse_object(line);
    if (!row) {
      return std::unexpected(not_understood(fmt::format("'{}' holds an object", name), line));
    }
    rows.push_back(std::move(*row));
  }
  return rows;
}

}  // namespace mmapdirfs::ctl
