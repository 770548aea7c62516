// SPDX-License-Identifier: MIT
#include "read_ahead.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "support/unique_fd.h"

namespace mmapdirfs {

Result<void> set_read_ahead(dev_t mount, unsigned kibibytes) {
  const auto file =
      fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", ::major(mount), ::minor(mount));
  const std::string text = std::to_string(kibibytes);
  const mmapdir::UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) {
    return std::unexpected(Error::from_errno(errno, "write", file));
  }
  return {};
}

}  // namespace mmapdirfs
