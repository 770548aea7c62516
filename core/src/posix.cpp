// SPDX-License-Identifier: MIT
#include "posix.h"

namespace mmapdir {

Result<struct stat> file_status(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat"));
  }
  return status;
}

}  // namespace mmapdir
