// SPDX-License-Identifier: MIT
#include "ctl/mount_channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <system_error>

#include "ctl/conversation.h"
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

// A plain directory of that name may lie in the source, and any directory may be asked for.
bool is_ours(int directory) {
  struct statfs file_system{};
  struct stat ignored{};
  return ::fstatfs(directory, &file_system) == 0 && file_system.f_type == FUSE_SUPER_MAGIC &&
         ::fstatat(directory, kStatusName, &ignored, 0) == 0;
}

// Reads on until the end, or until `take` has no more use for it.
Outcome<Ending> read_on(const std::function<ssize_t(std::span<char>)>& read,
                        const std::function<void(std::string_view)>& take,
                        const std::function<Failure(int)>& failure) {
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto count = read(buffer);
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
    return fail(fmt::format("--control={}: allowed is a name without '/', and not '.' or '..'",
                            printable(name)),
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

Outcome<UniqueFd> MountChannel::open_file(std::string_view name) const {
  UniqueFd file(mmapdir::retry_interrupted([&] {
    return ::openat(directory_.get(), std::string(name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  }));
  if (!file) {
    return std::unexpected(failure(name, errno));
  }
  return file;
}

Outcome<std::string> MountChannel::read_file(std::string_view name) {
  const auto file = open_file(name);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::string content;
  const auto ending = read_on(
      [&](std::span<char> buffer) { return ::read(file->get(), buffer.data(), buffer.size()); },
      [&](std::string_view bytes) { content += bytes; },
      [&](int errnum) { return failure(name, errnum); });
  if (!ending) {
    return std::unexpected(ending.error());
  }
  return content;
}

Outcome<Ending> MountChannel::converse(const std::string& command,
                                       const std::function<void(std::string_view)>& take) {
  auto conversation = Conversation::begin(directory_.get(), command);
  if (!conversation) {
    return std::unexpected(failure(kControlName, conversation.error()));
  }
  std::string pending;
  return read_on([&](std::span<char> buffer) { return conversation->hear(buffer); },
                 [&](std::string_view bytes) {
                   pending += bytes;
                   take_lines(pending, take);
                 },
                 [&](int errnum) { return failure(kControlName, errnum); });
}

}  // namespace mmapdirfs::ctl
