// SPDX-License-Identifier: MIT
#include "metrics/listen_address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <memory>

namespace mmapdirfs {
namespace {

constexpr std::string_view kLoopback = "127.0.0.1";

bool is_address(int family, const std::string& text) {
  std::array<std::byte, sizeof(in6_addr)> address{};
  return ::inet_pton(family, text.c_str(), address.data()) == 1;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* const end = std::to_address(text.end());
  const auto parsed = std::from_chars(std::to_address(text.begin()), end, port);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(port) : std::nullopt;
}

}  // namespace

std::optional<ListenAddress> ListenAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  const bool is_port = colon == std::string_view::npos;
  const auto port = parse_port(is_port ? text : text.substr(colon + 1));
  if (!port) {
    return std::nullopt;
  }
  std::string host(is_port ? kLoopback : text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    return is_address(AF_INET6, host) ? std::optional(ListenAddress{.host = host, .port = *port})
                                      : std::nullopt;
  }
  return is_address(AF_INET, host) ? std::optional(ListenAddress{.host = host, .port = *port})
                                   : std::nullopt;
}

std::string ListenAddress::text() const {
  return (host.contains(':') ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

}  // namespace mmapdirfs
