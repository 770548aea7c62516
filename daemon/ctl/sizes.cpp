// SPDX-License-Identifier: MIT
#include "ctl/sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <utility>

namespace mmapdirfs::ctl {
namespace {

constexpr std::string_view kUnits = "KMGTPE";
constexpr double kLimit = 18446744073709551616.0;  // 2 to the power of 64

// A decimal number at the beginning of the text, which is shortened by it.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (parsed.ec != std::errc{} || !std::isfinite(value) || value < 0) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return value;
}

// What one of the unit is in bytes: "", "B", "K", "KB", "KiB", in capitals or not.
std::optional<double> unit_size(std::string_view unit) {
  std::string capitals(unit);
  std::ranges::transform(capitals, capitals.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (capitals.empty() || capitals == "B") {
    return 1;
  }
  const auto power = kUnits.find(capitals[0]);
  const auto rest = capitals.substr(1);
  if (power == std::string_view::npos || (!rest.empty() && rest != "B" && rest != "IB")) {
    return std::nullopt;
  }
  return std::ldexp(1.0, static_cast<int>(power + 1) * 10);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t whole = 0;
  const auto* const begin = text.data();
  const auto* const end = begin + text.size();
  if (const auto parsed = std::from_chars(begin, end, whole);
      parsed.ec == std::errc{} && parsed.ptr == end) {
    return whole;  // a double wouldn't hold all of its digits
  }
  const auto number = take_number(text);
  if (!number) {
    return std::nullopt;
  }
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const auto unit = unit_size(text);
  if (!unit || *number * *unit >= kLimit) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(*number * *unit);
}

std::optional<std::uint64_t> parse_share(std::string_view text, std::uint64_t whole) {
  const auto number = take_number(text);
  if (!number || text != "%" || *number > 100) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(static_cast<double>(whole) * *number / 100);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) {
    return fmt::format("{} B", bytes);
  }
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // Not 1024: what would be shown as "1024" is one of the next unit.
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}iB", value, value < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string format_count(std::uint64_t number) {
  const auto digits = std::to_string(number);
  std::string grouped;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) {
      grouped += ',';
    }
    grouped += digits[i];
  }
  return grouped;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", format_count(number), noun, number == 1 ? "" : "s");
}

std::string format_duration(std::uint64_t seconds) {
  constexpr std::uint64_t kMinute = 60;
  constexpr std::uint64_t kHour = 60 * kMinute;
  constexpr std::uint64_t kDay = 24 * kHour;
  if (seconds < kMinute) {
    return fmt::format("{} s", seconds);
  }
  if (seconds < kHour) {
    return fmt::format("{} min {} s", seconds / kMinute, seconds % kMinute);
  }
  if (seconds < kDay) {
    return fmt::format("{} h {} min", seconds / kHour, seconds % kHour / kMinute);
  }
  return fmt::format("{} d {} h", seconds / kDay, seconds % kDay / kHour);
}

unsigned percent_of(std::uint64_t part, std::uint64_t whole) {
  if (part >= whole) {
    return 100;
  }
  if (part == 0) {
    return 0;
  }
  const auto hundredths = static_cast<double>(part) * 100 / static_cast<double>(whole);
  return static_cast<unsigned>(std::clamp(std::lround(hundredths), 1L, 99L));
}

std::string format_share(std::optional<std::uint64_t> part, std::uint64_t whole) {
  return part ? fmt::format("{} %", percent_of(*part, whole)) : "-";
}

}  // namespace mmapdirfs::ctl
