// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cerrno>

#include "mmapdir/result.h"

namespace mmapdir {

// What the calls below promise over the system's own: an errno becomes an Error on the spot, and a
// call that a signal interrupted is made again.

// Calls `call` until it is not interrupted; -1 means failure and errno says which.
template <class Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) {
    result = call();
  }
  return result;
}

Result<struct stat> file_status(int fd);

}  // namespace mmapdir
