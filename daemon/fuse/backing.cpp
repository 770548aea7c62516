// SPDX-License-Identifier: MIT
#include "fuse/backing.h"

#include <linux/ioctl.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace mmapdirfs {
namespace {

// From the kernel's include/uapi/linux/fuse.h, protocol 7.40 (Linux 6.9); Debian 12's header is
// older. libfuse's own wrapper logs the errno and drops it.
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned kDeviceMagic = 229;
constexpr unsigned long kBackingOpen = _IOW(kDeviceMagic, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(kDeviceMagic, 2, std::uint32_t);

}  // namespace

Result<BackingId> DeviceBackings::open(int fd, const Caller& opener) {
  // The kernel does the I/O with this thread's rights as they are now. Root's would leave
  // set-user-id bits on a file that anybody writes (the kernel relies on us for taking them away)
  // and give everybody the blocks that are reserved for root.
  const RegisteringFor registering(opener, fd);
  BackingMap map{.fd = fd, .flags = 0, .padding = 0};
  const int id = ::ioctl(device_, kBackingOpen, &map);
  if (id <= 0) {
    Error error = Error::from_errno(id < 0 ? errno : EIO, "register for passthrough");
    if (log_refusal_.exchange(false)) {
      spdlog::warn("{}; this file, and others like it, is read by mapping", error.message());
    }
    return std::unexpected(std::move(error));
  }
  return BackingId{static_cast<std::uint32_t>(id)};
}

void DeviceBackings::close(BackingId id) {
  if (device_ < 0) {
    return;
  }
  auto number = static_cast<std::uint32_t>(id);
  if (::ioctl(device_, kBackingClose, &number) != 0) {
    spdlog::warn("passthrough: close id {}: {}", number, std::generic_category().message(errno));
  }
}

}  // namespace mmapdirfs
