// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>

namespace mmapdir {

// Calls `call` until it is not interrupted; -1 means failure and errno says which.
template <class Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) {
    result = call();
  }
  return result;
}

}  // namespace mmapdir
