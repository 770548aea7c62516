// SPDX-License-Identifier: MIT
#include "service_notifier.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "support/retry_interrupted.h"
#include "support/unique_fd.h"

namespace mmapdirfs {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread as yet
  return value == nullptr ? std::string_view() : value;
}

std::optional<long long> number(std::string_view text) {
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

std::optional<std::chrono::microseconds> watchdog() {
  const auto owner = environment("WATCHDOG_PID");
  const auto period = number(environment("WATCHDOG_USEC"));
  if (!period || *period <= 0 || (!owner.empty() && number(owner) != ::getpid())) {
    return std::nullopt;
  }
  return std::chrono::microseconds(*period);
}

// An abstract name begins with a zero byte and, unlike a path, has none at its end.
std::pair<sockaddr_un, socklen_t> address_of(std::string_view socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  char* const path = static_cast<char*>(address.sun_path);
  std::ranges::copy(socket, path);
  if (socket.front() == '@') {
    *path = '\0';
  }
  return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size())};
}

int send_datagram(std::string_view socket, std::string_view message) {
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return ENAMETOOLONG;
  }
  const mmapdir::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    return errno;
  }
  const auto [address, size] = address_of(socket);
  const auto sent = mmapdir::retry_interrupted([&, address = address, size = size] {
    return ::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                    // sendto(2) takes every kind of address through this type.
                    reinterpret_cast<const sockaddr*>(&address), size);
  });
  return sent < 0 ? errno : 0;
}

// A message has a variable a line, and a path may hold anything.
std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

std::optional<ServiceManager> ServiceManager::from_environment() {
  const auto socket = environment("NOTIFY_SOCKET");
  if (socket.empty()) {
    return std::nullopt;
  }
  return ServiceManager{.socket = std::string(socket), .watchdog = mmapdirfs::watchdog()};
}

ServiceNotifier::~ServiceNotifier() {
  thread_.request_stop();  // jthread does both, but after the members that the thread uses
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ServiceNotifier::watch(std::string status, Question answers) {
  if (!manager_) {
    return;
  }
  thread_ = std::jthread([this, status = std::move(status), answers = std::move(answers)](
                             const std::stop_token& stop) { ask(stop, status, answers); });
}

void ServiceNotifier::ask(const std::stop_token& stop, const std::string& status,
                          const Question& answers) {
  if (!answers() || stop.stop_requested()) {
    return;
  }
  tell(fmt::format("READY=1\nSTATUS={}", on_one_line(status)));
  const auto period = manager_ ? manager_->watchdog : std::nullopt;
  if (!period) {
    return;
  }
  // systemd's own advice: at half of the period, so that one late answer doesn't kill.
  const auto pause = *period / 2;
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, stop, pause, [&] { return stop.stop_requested(); })) {
    if (answers() && !stop.stop_requested()) {
      tell("WATCHDOG=1");
    }
  }
}

void ServiceNotifier::announce_stopping() {
  thread_.request_stop();
  tell("STOPPING=1\nSTATUS=Unmounting");
}

void ServiceNotifier::tell(std::string_view message) const {
  if (!manager_) {
    return;
  }
  if (const int error = send_datagram(manager_->socket, message); error != 0) {
    spdlog::warn("tell the service manager at '{}': {}", manager_->socket,
                 std::generic_category().message(error));
  }
}

}  // namespace mmapdirfs
