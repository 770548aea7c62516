// SPDX-License-Identifier: MIT
#include "support/notify_socket.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "support/files.h"

namespace mmapdir::test {

NotifySocket::NotifySocket(const std::string& name)
    : name_(name.empty() ? (directory_ / "notify").string() : name),
      socket_(must(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  char* const path = static_cast<char*>(address.sun_path);
  std::ranges::copy(name_, path);
  if (name_.front() == '@') {
    *path = '\0';
  }
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
  // bind(2) takes every kind of address through this type.
  must(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), "bind");
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  must(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
       "setsockopt");
}

bool NotifySocket::hears_nothing() const { return receive(MSG_DONTWAIT).empty(); }

std::string NotifySocket::receive(int flags) const {
  std::array<char, 4096> text{};
  const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), flags);
  return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace mmapdir::test
