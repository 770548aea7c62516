// SPDX-License-Identifier: MIT
#include "processors.h"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr unsigned kMostProcessors = 1U << 16U;  // as many as the kernel's queues can be numbered

std::optional<unsigned> take_number(std::string_view& text) {
  unsigned number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || number >= kMostProcessors) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return number;
}

bool take_character(std::string_view& text, char character) {
  if (!text.starts_with(character)) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

Result<std::vector<unsigned>> read_list(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  auto processors = parse_processors(line);
  if (!processors) {
    return std::unexpected(Error::from_errno(EINVAL, "read the processors from", path));
  }
  return std::move(*processors);
}

}  // namespace

std::optional<std::vector<unsigned>> parse_processors(std::string_view list) {
  std::vector<unsigned> processors;
  do {
    const auto first = take_number(list);
    const auto last = first && take_character(list, '-') ? take_number(list) : first;
    if (!last) {
      return std::nullopt;
    }
    for (unsigned number = *first; number <= *last; ++number) {
      processors.push_back(number);
    }
  } while (take_character(list, ','));
  return list.empty() ? std::optional(std::move(processors)) : std::nullopt;
}

Result<Processors> Processors::of_this_machine() {
  auto possible = read_list("/sys/devices/system/cpu/possible");
  if (!possible) {
    return std::unexpected(possible.error());
  }
  auto online = read_list("/sys/devices/system/cpu/online");
  if (!online) {
    return std::unexpected(online.error());
  }
  return Processors{.possible = std::move(*possible), .online = std::move(*online)};
}

}  // namespace mmapdirfs
