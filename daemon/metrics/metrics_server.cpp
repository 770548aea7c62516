// SPDX-License-Identifier: MIT
#include "metrics/metrics_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/unique_fd.h"

namespace mmapdirfs {
namespace {

// Nobody can hold more of the daemon's descriptors than these, or any of them for longer.
constexpr unsigned kConnections = 16;
constexpr unsigned kTimeoutSeconds = 10;

struct Answer {
  unsigned status = MHD_HTTP_OK;
  const char* type = "text/plain; charset=utf-8";
  std::string body{};
};

union SocketAddress {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

socklen_t fill(const ListenAddress& address, SocketAddress& socket_address) {
  socket_address = {};
  if (::inet_pton(AF_INET6, address.host.c_str(), &socket_address.ipv6.sin6_addr) == 1) {
    socket_address.ipv6.sin6_family = AF_INET6;
    socket_address.ipv6.sin6_port = ::htons(address.port);
    return sizeof socket_address.ipv6;
  }
  ::inet_pton(AF_INET, address.host.c_str(), &socket_address.ipv4.sin_addr);
  socket_address.ipv4.sin_family = AF_INET;
  socket_address.ipv4.sin_port = ::htons(address.port);
  return sizeof socket_address.ipv4;
}

mmapdir::UniqueFd listen_on(const ListenAddress& address) {
  SocketAddress socket_address{};
  const socklen_t size = fill(address, socket_address);
  mmapdir::UniqueFd listening(
      ::socket(socket_address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;  // the last mount's connections are no obstacle
  if (listening &&
      (::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
       ::bind(listening.get(), &socket_address.any, size) != 0 ||
       ::listen(listening.get(), SOMAXCONN) != 0)) {
    const int cause = errno;
    listening.reset();
    errno = cause;
  }
  return listening;
}

// Of IPv4 and IPv6 alike, the port is in the same place.
std::uint16_t port_of(int listening) {
  SocketAddress socket_address{};
  socklen_t size = sizeof socket_address;
  ::getsockname(listening, &socket_address.any, &size);
  return ::ntohs(socket_address.ipv4.sin_port);
}

Answer answer_to(std::string_view method, std::string_view path, const MetricsServer::Text& text) {
  if (path != "/metrics") {
    return {.status = MHD_HTTP_NOT_FOUND, .body = "The metrics are at /metrics.\n"};
  }
  if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
    return {.status = MHD_HTTP_METHOD_NOT_ALLOWED, .body = "The metrics can be read only.\n"};
  }
  return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = text()};
}

MHD_Result send(MHD_Connection* connection, Answer answer) {
  auto* const response = MHD_create_response_from_buffer(answer.body.size(), answer.body.data(),
                                                         MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) {
    return MHD_NO;
  }
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

// Called once a request's head is there, and again with its body, and at its end: it is answered at
// the end, and the body, which nobody should send, goes unread.
MHD_Result serve(void* text, MHD_Connection* connection, const char* path, const char* method,
                 const char* /*version*/, const char* /*body*/, std::size_t* body_size,
                 void** state) {
  static int begun = 0;
  if (*state == nullptr) {
    *state = &begun;
    return MHD_YES;
  }
  if (*body_size != 0) {
    *body_size = 0;
    return MHD_YES;
  }
  try {
    return send(connection,
                answer_to(method, path, *static_cast<const MetricsServer::Text*>(text)));
  } catch (const std::exception& error) {
    spdlog::error("answer a request for metrics: {}", error.what());
    return MHD_NO;
  }
}

std::unexpected<StartError> refuse(const ListenAddress& address, const std::string& cause) {
  return std::unexpected(StartError{"--metrics-listen=" + address.text() + ": " + cause});
}

}  // namespace

std::expected<std::unique_ptr<MetricsServer>, StartError> MetricsServer::start(
    const ListenAddress& address, Text text) {
  auto listening = listen_on(address);
  if (!listening) {
    return refuse(address, "can't listen there: " + std::generic_category().message(errno) +
                               "; allowed is a free port of an address that this machine has");
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer(std::move(text)));
  server->url_ = "http://" +
                 ListenAddress{.host = address.host, .port = port_of(listening.get())}.text() +
                 "/metrics";
  // The library takes the socket over, but for when it fails.
  server->daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, serve,
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): a void pointer is all that it has
      const_cast<Text*>(&server->text_), MHD_OPTION_LISTEN_SOCKET, listening.get(),
      MHD_OPTION_CONNECTION_LIMIT, kConnections, MHD_OPTION_CONNECTION_TIMEOUT, kTimeoutSeconds,
      MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    return refuse(address, "the HTTP server can't be started: no thread or no memory is left");
  }
  listening.release();
  return server;
}

MetricsServer::~MetricsServer() {
  if (daemon_ != nullptr) {
    MHD_stop_daemon(daemon_);
  }
}

}  // namespace mmapdirfs
