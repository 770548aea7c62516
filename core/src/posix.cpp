// SPDX-License-Identifier: MIT
#include "posix.h"

#include <unistd.h>

#include <cerrno>

namespace mmapdir {

Result<struct stat> file_status(int fd, std::string_view subject) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat", subject));
  }
  return status;
}

// One call moves at most 0x7ffff000 bytes, on every Linux (read(2), write(2)): hence the loops.

Result<void> read_exactly(int fd, std::uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const auto count = retry_interrupted(
        [&] { return ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset)); });
    if (count < 0) {
      return std::unexpected(Error::from_errno(errno, "read"));
    }
    if (count == 0) {
      return std::unexpected(Error(std::errc::io_error, "read bytes of a truncated file"));
    }
    to = to.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::string_view subject) {
  while (!bytes.empty()) {
    const auto count = retry_interrupted([&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (count < 0) {
      return std::unexpected(Error::from_errno(errno, "write", subject));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> sync_to_disk(int fd, std::string_view subject) {
  if (retry_interrupted([&] { return ::fsync(fd); }) != 0) {
    return std::unexpected(Error::from_errno(errno, "sync", subject));
  }
  return {};
}

}  // namespace mmapdir
