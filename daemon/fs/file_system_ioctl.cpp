// SPDX-License-Identifier: MIT
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "fs/file_system.h"

namespace mmapdirfs {
namespace {

// The kernel takes and gives an int for the first two, whatever their names say.
struct Request {
  unsigned command;
  std::size_t in;
  std::size_t out;
};
constexpr std::array kRequests = {
    Request{.command = FS_IOC_GETFLAGS, .in = 0, .out = sizeof(int)},
    Request{.command = FS_IOC_SETFLAGS, .in = sizeof(int), .out = 0},
    Request{.command = FS_IOC_FSGETXATTR, .in = 0, .out = sizeof(fsxattr)},
    Request{.command = FS_IOC_FSSETXATTR, .in = sizeof(fsxattr), .out = 0},
};

}  // namespace

Result<void> FileSystem::ioctl(HandleId handle, bool is_directory, unsigned command,
                               std::span<const char> in, std::span<char> out) {
  const auto* const request = std::ranges::find(kRequests, command, &Request::command);
  if (request == kRequests.end() || in.size() < request->in || out.size() < request->out) {
    return std::unexpected(Error::from_errno(ENOTTY, "control the file"));
  }
  alignas(fsxattr) std::array<char, sizeof(fsxattr)> value{};
  std::copy_n(in.begin(), request->in, value.begin());
  if (is_directory) {
    const auto directory = directories_.find(handle);
    if (!directory) {
      return std::unexpected(directory.error());
    }
    if (::ioctl((*directory)->fd(), command, value.data()) != 0) {
      return std::unexpected(Error::from_errno(errno, "control the directory"));
    }
  } else {
    const auto file = files_.find(handle);
    if (!file) {
      return std::unexpected(file.error());
    }
    if (::ioctl((*file)->descriptor.get()->get(), command, value.data()) != 0) {
      return std::unexpected(Error::from_errno(errno, "control the file"));
    }
  }
  std::copy_n(value.begin(), request->out, out.begin());
  return {};
}

}  // namespace mmapdirfs
