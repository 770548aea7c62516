// SPDX-License-Identifier: MIT
#include "ctl/conversation.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "control/control_ioctl.h"
#include "support/retry_interrupted.h"

namespace mmapdirfs::ctl {
namespace {

UniqueFd open_control(int directory, int flags) {
  return UniqueFd(mmapdir::retry_interrupted(
      [&] { return ::openat(directory, "control", flags | O_CLOEXEC | O_NOFOLLOW); }));
}

}  // namespace

std::expected<Conversation, int> Conversation::begin(int directory, const std::string& command) {
  UniqueFd file = open_control(directory, O_RDWR);
  const bool is_read_only = !file && errno == EROFS;
  if (is_read_only) {
    file = open_control(directory, O_RDONLY);
  }
  if (!file) {
    return std::unexpected(errno);
  }
  Conversation result(std::move(file));
  if (!(is_read_only ? result.ask(command) : result.write(command))) {
    return std::unexpected(errno);
  }
  return result;
}

bool Conversation::write(const std::string& command) const {
  const auto line = command + '\n';
  const auto written =
      mmapdir::retry_interrupted([&] { return ::write(file_.get(), line.data(), line.size()); });
  if (written >= 0 && written != static_cast<ssize_t>(line.size())) {
    errno = EIO;
  }
  return written == static_cast<ssize_t>(line.size());
}

bool Conversation::ask(const std::string& command) {
  ControlCommand line{};
  ControlConversation question{};
  if (command.size() >= std::size(line.line)) {
    errno = EINVAL;
    return false;
  }
  std::ranges::copy(command, std::begin(line.line));
  const auto call = [&](unsigned long request, void* argument) {
    return mmapdir::retry_interrupted([&] { return ::ioctl(file_.get(), request, argument); });
  };
  if (call(kControlIoctl, &line) == 0) {
    return true;
  }
  if (errno != ENOTTY) {
    return false;
  }
  std::ranges::copy(command, std::begin(question.text));
  if (call(kControlAsk, &question) != 0) {
    return false;
  }
  number_ = question.number;
  return true;
}

Conversation::~Conversation() {
  if (file_ && number_) {
    ControlConversation end{.number = *number_, .size = 0, .text = {}};
    // One that is over already isn't known any more, which is as well.
    ::ioctl(file_.get(), kControlHangUp, &end);
  }
}

ssize_t Conversation::hear(std::span<char> buffer) {
  if (!number_) {
    return ::read(file_.get(), buffer.data(), buffer.size());
  }
  ControlConversation answer{.number = *number_, .size = 0, .text = {}};
  if (::ioctl(file_.get(), kControlListen, &answer) != 0) {
    return -1;
  }
  const auto size = std::min<std::size_t>({answer.size, std::size(answer.text), buffer.size()});
  std::ranges::copy_n(std::begin(answer.text), static_cast<std::ptrdiff_t>(size), buffer.begin());
  return static_cast<ssize_t>(size);
}

}  // namespace mmapdirfs::ctl
