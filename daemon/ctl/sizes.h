// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mmapdirfs::ctl {

// "4096", "10M", "1.5G", "2 TiB": bytes, by powers of 1024. Nothing if it isn't a size, or more
// than 64 bits hold.
std::optional<std::uint64_t> parse_size(std::string_view text);

// "20%": hundredths of `whole`, from 0 to 100. Nothing if it isn't that.
std::optional<std::uint64_t> parse_share(std::string_view text, std::uint64_t whole);

// "512 B", "1.5 GiB": three digits are enough for a reader.
std::string format_size(std::uint64_t bytes);

// "1,234,567".
std::string format_count(std::uint64_t number);

// "1 file", "1,234 files".
std::string counted(std::uint64_t number, std::string_view noun);

// "47 s", "3 min 20 s", "5 h 12 min", "3 d 4 h".
std::string format_duration(std::uint64_t seconds);

// Hundredths, rounded so that 0 and 100 mean none and all.
unsigned percent_of(std::uint64_t part, std::uint64_t whole);

// "12 %", or "-" for what isn't known.
std::string format_share(std::optional<std::uint64_t> part, std::uint64_t whole);

}  // namespace mmapdirfs::ctl
