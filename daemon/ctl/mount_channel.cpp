// SPDX-License-Identifier: MIT
#include "ctl/mount_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "control/control_ioctl.h"
#include "ctl/mount_search.h"
#include "ctl/printable.h"
#include "ctl/stop_signals.h"
#include "support/retry_interrupted.h"

namespace mmapdirfs::ctl {
namespace {

// Where the daemon says which options and versions are in force; each of our mounts has it.
constexpr const char* kStatusName = "status";
constexpr const char* kControlName = "control";

std::string reason(int errnum) { return std::generic_category().message(errnum); }

// Empty, and errno says why, if it can't be opened.
UniqueFd open_beneath(int directory, std::string_view name, int flags) {
  return UniqueFd(mmapdir::retry_interrupted([&] {
    return ::openat(directory, std::string(name).c_str(), flags | O_CLOEXEC | O_NOFOLLOW);
  }));
}

// A plain directory of that name may lie in the source, and any directory may be asked for.
bool is_ours(int directory) {
  struct statfs file_system{};
  struct stat ignored{};
  return ::fstatfs(directory, &file_system) == 0 && file_system.f_type == FUSE_SUPER_MAGIC &&
         ::fstatat(directory, kStatusName, &ignored, 0) == 0;
}

// Reads on until the end, or until `take` has no more use for it.
Outcome<Ending> read_on(int fd, const std::function<void(std::string_view)>& take,
                        const std::function<Failure(int)>& failure) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto count = ::read(fd, buffer.data(), buffer.size());
    if (count == 0) {
      return Ending::kAnswered;
    }
    if (count > 0) {
      take({buffer.data(), static_cast<std::size_t>(count)});
    } else if (errno != EINTR) {
      return std::unexpected(failure(errno));
    }
    if (StopSignals::caught() != 0) {
      return Ending::kInterrupted;
    }
  }
}

// Hands out the whole lines at the beginning of `text`, which is shortened by them.
void take_lines(std::string& text, const std::function<void(std::string_view)>& take) {
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    take(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  text.erase(0, begin);
}

}  // namespace

Outcome<std::unique_ptr<ControlChannel>> MountChannel::open(const Invocation& invocation) {
  const auto& name = invocation.control_directory;
  if (name.empty() || name == "." || name == ".." || name.contains('/')) {
    return fail(fmt::format("--control={}: allowed is a name without '/'", printable(name)),
                kUsageStatus);
  }
  const auto path = invocation.mountpoint + "/" + name;
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || !is_ours(directory.get())) {
    return std::unexpected(explain_missing(invocation.mountpoint, name, directory ? 0 : errno));
  }
  return std::make_unique<MountChannel>(std::move(directory), path);
}

Failure MountChannel::failure(std::string_view name, int errnum) const {
  const auto path = printable(fmt::format("{}/{}", path_, name));
  switch (errnum) {
    case EACCES:
    case EPERM:
      return {.message = fmt::format("'{}': only root and the user who runs the mount's daemon may "
                                     "use it",
                                     path)};
    case ENOTCONN:
    case ECONNABORTED:
      return {.message = fmt::format("'{}': the mount's daemon has ended", path)};
    case ENOENT:
      return {.message =
                  fmt::format("'{}' isn't there: an older mmapdirfs serves this mount", path)};
    default:
      return {.message = fmt::format("'{}': {}", path, reason(errnum))};
  }
}

Outcome<UniqueFd> MountChannel::open_file(std::string_view name, int flags) const {
  UniqueFd file = open_beneath(directory_.get(), name, flags);
  if (!file) {
    return std::unexpected(failure(name, errno));
  }
  return file;
}

Outcome<std::string> MountChannel::read_file(std::string_view name) {
  const auto file = open_file(name, O_RDONLY);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::string content;
  const auto ending = read_on(
      file->get(), [&](std::string_view bytes) { content += bytes; },
      [&](int errnum) { return failure(name, errnum); });
  if (!ending) {
    return std::unexpected(ending.error());
  }
  return content;
}

Outcome<UniqueFd> MountChannel::send(const std::string& command) const {
  UniqueFd file = open_beneath(directory_.get(), kControlName, O_RDWR);
  if (!file) {
    return errno == EROFS ? send_by_ioctl(command) : std::unexpected(failure(kControlName, errno));
  }
  const auto line = command + '\n';
  const auto written =
      mmapdir::retry_interrupted([&] { return ::write(file.get(), line.data(), line.size()); });
  if (written != static_cast<ssize_t>(line.size())) {
    return std::unexpected(failure(kControlName, written < 0 ? errno : EIO));
  }
  return file;
}

Outcome<UniqueFd> MountChannel::send_by_ioctl(const std::string& command) const {
  auto file = open_file(kControlName, O_RDONLY);
  ControlCommand buffer{};
  std::ranges::copy(command, std::begin(buffer.line));
  if (file && ::ioctl(file->get(), kControlIoctl, &buffer) != 0) {
    return std::unexpected(failure(kControlName, errno));
  }
  return file;
}

Outcome<Ending> MountChannel::converse(const std::string& command,
                                       const std::function<void(std::string_view)>& take) {
  const auto file = send(command);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::string pending;
  return read_on(
      file->get(),
      [&](std::string_view bytes) {
        pending += bytes;
        take_lines(pending, take);
      },
      [&](int errnum) { return failure(kControlName, errnum); });
}

}  // namespace mmapdirfs::ctl
