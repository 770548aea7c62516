// SPDX-License-Identifier: MIT
#include "ctl/size_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>

#include "ctl/printable.h"
#include "ctl/sizes.h"

namespace mmapdirfs::ctl {
namespace {

std::uint64_t memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::unexpected<Failure> refuse(std::string_view name, const std::string& value,
                                const std::string& allowed) {
  return fail(fmt::format("--{}={}: {}", name, printable(value), allowed), kUsageStatus);
}

}  // namespace

Outcome<void> add_memory_option(const Invocation& invocation, std::string_view name,
                                CommandText& command) {
  const auto given = invocation.option(name);
  if (!given) {
    return {};
  }
  const auto memory = memory_bytes();
  const auto bytes = given->ends_with('%') ? parse_share(*given, memory) : parse_size(*given);
  if (!bytes || *bytes == 0) {
    return refuse(name, *given,
                  "allowed is a size such as 4096, 10M or 1.5G, or a share of the "
                  "machine's memory such as 20%, and not 0");
  }
  if (*bytes > memory) {
    return refuse(
        name, *given,
        fmt::format("that is more than the machine has; allowed is its memory, {}, at most",
                    format_size(memory)));
  }
  command.option(name, std::to_string(*bytes));
  return {};
}

Outcome<void> add_rate_option(const Invocation& invocation, std::string_view name,
                              CommandText& command) {
  const auto given = invocation.option(name);
  if (!given) {
    return {};
  }
  std::string_view text = *given;
  if (text.ends_with("/s")) {
    text.remove_suffix(2);
  }
  const auto bytes = parse_size(text);
  if (!bytes || *bytes == 0) {
    return refuse(name, *given, "allowed is a size for each second, such as 500K or 10M, not 0");
  }
  command.option(name, std::to_string(*bytes));
  return {};
}

Outcome<void> add_percent_option(const Invocation& invocation, std::string_view name,
                                 CommandText& command) {
  const auto given = invocation.option(name);
  if (!given) {
    return {};
  }
  constexpr std::uint64_t kHundred = 100;
  const auto percent = parse_share(given->ends_with('%') ? *given : *given + '%', kHundred);
  if (!percent || *percent == 0) {
    return refuse(name, *given, "allowed is a share from 1% to 100%");
  }
  command.option(name, std::to_string(*percent));
  return {};
}

}  // namespace mmapdirfs::ctl
