// SPDX-License-Identifier: MIT
#include "control/command_words.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Takes one word after the other from the front of a line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  // Nothing at the end.
  std::expected<std::optional<std::string>, CommandError> next() {
    while (!rest_.empty() && is_blank(rest_.front())) {
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) {
      return std::nullopt;
    }
    std::string word;
    bool quoted = false;
    while (!rest_.empty() && (quoted || !is_blank(rest_.front()))) {
      const char c = take();
      if (c == '"') {
        quoted = !quoted;
      } else if (c != '\\') {
        word.push_back(c);
      } else if (rest_.empty()) {
        return refuse(EINVAL, "the line ends with a backslash; allowed is \\\\ for one");
      } else {
        const char escaped = take();
        word.push_back(quoted && escaped == 'n' ? '\n' : escaped);
      }
    }
    if (quoted) {
      return refuse(EINVAL, "a quote isn't closed; allowed is \\\" for one that is meant itself");
    }
    return word;
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::string_view rest_;
};

std::expected<void, CommandError> add_option(std::string_view word, CommandWords& command) {
  const auto equals = word.find('=');
  std::string name(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
  std::string value(equals == std::string_view::npos ? std::string_view()
                                                     : word.substr(equals + 1));
  if (command.options.contains(name)) {
    return refuse(EINVAL, fmt::format("--{} is given twice; allowed is once", name));
  }
  command.options.emplace(std::move(name), std::move(value));
  return {};
}

}  // namespace

std::unexpected<CommandError> refuse(int errnum, std::string message) {
  return std::unexpected(CommandError{.errnum = errnum, .message = std::move(message)});
}

std::unexpected<CommandError> refuse(const Error& error) {
  return refuse(error.errnum(), error.message());
}

std::expected<CommandWords, CommandError> parse_command(std::string_view line) {
  if (line.contains('\0')) {
    return refuse(EINVAL, "the line holds a NUL byte; allowed is text without any");
  }
  Words words(line);
  CommandWords command;
  bool has_verb = false;
  bool options_end = false;
  while (true) {
    auto next = words.next();
    if (!next) {
      return std::unexpected(next.error());
    }
    auto word = std::move(*next);
    if (!word) {
      break;
    }
    std::string text = std::move(*word);
    if (!has_verb) {
      command.verb = std::move(text);
      has_verb = true;
    } else if (!options_end && text == "--") {
      options_end = true;
    } else if (!options_end && text.starts_with("--")) {
      if (const auto added = add_option(text, command); !added) {
        return std::unexpected(added.error());
      }
    } else {
      command.words.push_back(std::move(text));
    }
  }
  if (!has_verb) {
    return refuse(EINVAL, "the line is empty; allowed is a command and its words");
  }
  return command;
}

std::expected<std::optional<std::uint64_t>, CommandError> CommandWords::number(
    const std::string& option, std::uint64_t least, std::uint64_t most) const {
  const auto found = options.find(option);
  if (found == options.end()) {
    return std::nullopt;
  }
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || value < least || value > most) {
    return refuse(EINVAL, fmt::format("--{}={}: allowed is a whole number from {} to {}", option,
                                      text, least, most));
  }
  return value;
}

}  // namespace mmapdirfs
