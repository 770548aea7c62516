// SPDX-License-Identifier: MIT
#include "support/control_client.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <iterator>

#include "control/control_ioctl.h"
#include "support/files.h"

namespace mmapdir::test {

ControlClient::ControlClient(const std::filesystem::path& mount, int flags)
    : fd_(open_fd(mount / ".mmapdirfs/control", flags)), writes_((flags & O_ACCMODE) != O_RDONLY) {}

int ControlClient::give(std::string_view line) const {
  if (!writes_) {
    mmapdirfs::ControlCommand argument{};
    std::ranges::copy(line.substr(0, sizeof argument), std::begin(argument.line));
    return ::ioctl(fd(), mmapdirfs::kControlIoctl, &argument) == 0 ? 0 : errno;
  }
  const std::string text = std::string(line) + "\n";
  const ssize_t written = ::write(fd(), text.data(), text.size());
  return written == static_cast<ssize_t>(text.size()) ? 0 : errno;
}

std::string ControlClient::answers() const {
  std::string all;
  std::array<char, 4096> bytes{};
  while (true) {
    const auto n = must(::read(fd(), bytes.data(), bytes.size()), "read answers");
    if (n == 0) {
      return all;
    }
    all.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

std::string control(const std::filesystem::path& mount, std::string_view line) {
  const ControlClient client(mount, O_RDWR);
  must(client.give(line) == 0 ? 0 : -1, "give a command");
  return client.answers();
}

std::string control_by_ioctl(const std::filesystem::path& mount, std::string_view line) {
  const ControlClient client(mount, O_RDONLY);
  must(client.give(line) == 0 ? 0 : -1, "give a command");
  return client.answers();
}

}  // namespace mmapdir::test
