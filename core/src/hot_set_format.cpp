// SPDX-License-Identifier: MIT
#include "hot_set_format.h"

#include <array>
#include <charconv>
#include <concepts>
#include <iterator>
#include <optional>
#include <utility>

namespace mmapdir {
namespace {

constexpr std::string_view kName = "mmapdir hot set ";
constexpr std::string_view kHeader = "mmapdir hot set 1\n";
constexpr std::string_view kFile = "file ";
constexpr std::string_view kEnd = "end ";
constexpr int kHexadecimal = 16;
constexpr long kNanosecondsPerSecond = 1'000'000'000;

// http://www.isthe.com/chongo/tech/comp/fnv: finds damage, and isn't meant to withstand malice.
std::uint64_t checksum_of(std::string_view text) {
  constexpr std::uint64_t kOffsetBasis = 0xcbf29ce484222325U;
  constexpr std::uint64_t kPrime = 0x100000001b3U;
  std::uint64_t sum = kOffsetBasis;
  for (const char byte : text) {
    sum = (sum ^ static_cast<unsigned char>(byte)) * kPrime;
  }
  return sum;
}

template <std::integral Number>
void append_number(std::string& text, Number number, int base = 10) {
  std::array<char, 24> digits{};
  char* const end = std::to_chars(digits.begin(), digits.end(), number, base).ptr;
  text.append(digits.begin(), end);
}

void append_path(std::string& text, std::string_view path) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char character : path) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < ' ' || byte == '%' || byte == 0x7f) {
      text += '%';
      text += kDigits[byte / kHexadecimal];
      text += kDigits[byte % kHexadecimal];
    } else {
      text += character;
    }
  }
}

template <std::integral Number>
std::optional<Number> whole_number(std::string_view digits, int base = 10) {
  Number number{};
  const auto* const end = digits.end();
  const auto [last, error] = std::from_chars(digits.begin(), end, number, base);
  if (error != std::errc{} || last != end) {
    return std::nullopt;
  }
  return number;
}

std::optional<RelativePath> parse_path(std::string_view text) {
  std::string path;
  while (!text.empty()) {
    std::size_t taken = 1;
    char byte = text.front();
    if (byte == '%') {
      const auto code = whole_number<unsigned char>(text.substr(1, 2), kHexadecimal);
      if (!code || text.size() < 3) {
        return std::nullopt;
      }
      byte = static_cast<char>(*code);
      taken = 3;
    }
    path += byte;
    text.remove_prefix(taken);
  }
  auto parsed = RelativePath::parse(path);
  if (!parsed || parsed->is_root()) {
    return std::nullopt;
  }
  return std::move(*parsed);
}

// Up to the separator, which is dropped with it; all of the rest if there is none.
std::string_view take_until(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

std::optional<HotFile> parse_file(std::string_view line) {
  line.remove_prefix(kFile.size());
  const auto size = whole_number<std::uint64_t>(take_until(line, ' '));
  const auto seconds = whole_number<std::time_t>(take_until(line, ' '));
  const auto nanoseconds = whole_number<long>(take_until(line, ' '));
  auto path = parse_path(line);
  if (!size || !seconds || !nanoseconds || !path || *nanoseconds < 0 ||
      *nanoseconds >= kNanosecondsPerSecond) {
    return std::nullopt;
  }
  return HotFile{.path = std::move(*path),
                 .size = *size,
                 .modified = {.tv_sec = *seconds, .tv_nsec = *nanoseconds}};
}

std::optional<ByteRange> parse_range(std::string_view line) {
  const auto offset = whole_number<std::uint64_t>(take_until(line, ' '));
  const auto length = whole_number<std::uint64_t>(line);
  if (!offset || !length) {
    return std::nullopt;
  }
  return ByteRange{.offset = *offset, .length = *length};
}

// Whether the range may follow those that the file has already.
bool may_follow(const HotFile& file, ByteRange range) {
  const auto end = file.ranges.empty() ? 0 : file.ranges.back().offset + file.ranges.back().length;
  return range.length > 0 && range.fits(file.size) && range.offset >= end;
}

// Puts the line into its place. Whether that could be done.
bool add_line(std::vector<HotFile>& files, std::string_view line) {
  if (line.starts_with(kFile)) {
    auto file = parse_file(line);
    if (file) {
      files.push_back(std::move(*file));
    }
    return file.has_value();
  }
  const auto range = parse_range(line);
  if (!range || files.empty() || !may_follow(files.back(), *range)) {
    return false;
  }
  files.back().ranges.push_back(*range);
  return true;
}

// What stands before the last line, if that fits.
Result<std::string_view> checked_lines(std::string_view text, std::string_view subject) {
  const auto fault = [&](const char* what) {
    return std::unexpected(Error(std::errc::invalid_argument, what, subject));
  };
  if (!begins_as_hot_set(text)) {
    return fault("load, as it is no hot set,");
  }
  if (!text.starts_with(kHeader)) {
    return fault("load, as it is of another version,");
  }
  const auto last_line = text.ends_with('\n') ? text.rfind('\n', text.size() - 2) + 1 : text.size();
  auto last = text.substr(last_line);
  if (!last.starts_with(kEnd)) {
    return fault("load, as its end is missing,");
  }
  last.remove_prefix(kEnd.size());
  const auto lines = text.substr(0, last_line);
  if (whole_number<std::uint64_t>(take_until(last, '\n'), kHexadecimal) != checksum_of(lines)) {
    return fault("load, as its checksum is wrong,");
  }
  return lines.substr(kHeader.size());
}

}  // namespace

std::uint64_t bytes_in(const HotFile& file) {
  std::uint64_t bytes = 0;
  for (const auto& range : file.ranges) {
    bytes += range.length;
  }
  return bytes;
}

std::string format_hot_set(const std::vector<HotFile>& files) {
  std::string text(kHeader);
  const auto append = [&](auto number, char separator) {
    append_number(text, number);
    text += separator;
  };
  for (const auto& file : files) {
    text += kFile;
    append(file.size, ' ');
    append(file.modified.tv_sec, ' ');
    append(file.modified.tv_nsec, ' ');
    append_path(text, file.path.string());
    text += '\n';
    for (const auto& range : file.ranges) {
      append(range.offset, ' ');
      append(range.length, '\n');
    }
  }
  const auto checksum = checksum_of(text);
  text += kEnd;
  append_number(text, checksum, kHexadecimal);
  text += '\n';
  return text;
}

bool begins_as_hot_set(std::string_view text) { return text.starts_with(kName); }

Result<std::vector<HotFile>> parse_hot_set(std::string_view text, std::string_view subject) {
  auto lines = checked_lines(text, subject);
  if (!lines) {
    return std::unexpected(lines.error());
  }
  std::vector<HotFile> files;
  while (!lines->empty()) {
    if (!add_line(files, take_until(*lines, '\n'))) {
      return std::unexpected(
          Error(std::errc::invalid_argument, "load, as a line makes no sense,", subject));
    }
  }
  return files;
}

}  // namespace mmapdir
