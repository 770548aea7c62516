// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mmapdirfs {

// Where a server listens. A value.
struct ListenAddress {
  std::string host;        // numbers: "127.0.0.1", "::1"
  std::uint16_t port = 0;  // 0: one that is free

  // "127.0.0.1:9100", "[::1]:9100", or a port alone, which is this machine's own; nothing for
  // anything else, also for a host's name.
  static std::optional<ListenAddress> parse(std::string_view text);

  // As it was parsed, with the host.
  std::string text() const;

  bool operator==(const ListenAddress&) const = default;
};

}  // namespace mmapdirfs
