// SPDX-License-Identifier: MIT
#include "ctl/terminal.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace mmapdirfs::ctl {
namespace {

constexpr unsigned kLeastColumns = 20;
constexpr unsigned kMostColumns = 1000;

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool is_sensible(unsigned columns) { return columns >= kLeastColumns && columns <= kMostColumns; }

unsigned columns_of_environment(unsigned otherwise) {
  const auto text = environment("COLUMNS");
  unsigned columns = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), columns);
  return parsed.ec == std::errc{} && is_sensible(columns) ? columns : otherwise;
}

}  // namespace

Terminal detect_terminal(int fd) {
  Terminal terminal;
  terminal.is_terminal = ::isatty(fd) == 1;
  const std::string_view codeset = ::nl_langinfo(CODESET);  // NOLINT(concurrency-mt-unsafe)
  terminal.charset = codeset == "UTF-8" ? Charset::kUtf8 : Charset::kAscii;
  terminal.has_colour =
      terminal.is_terminal && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  winsize size{};
  if (terminal.is_terminal && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) {
    terminal.rows = size.ws_row;
    terminal.columns = size.ws_col < kLeastColumns ? kLeastColumns : size.ws_col;
  } else {
    terminal.columns = columns_of_environment(terminal.columns);
  }
  return terminal;
}

}  // namespace mmapdirfs::ctl
