// SPDX-License-Identifier: MIT
#include "mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace mmapdir {

Result<std::unique_ptr<const FileMapping>> FileMapping::map(int fd, std::uint64_t length) {
  if (!std::in_range<std::size_t>(length)) {
    return std::unexpected(Error(std::errc::value_too_large, "map"));
  }
  const auto size = static_cast<std::size_t>(length);
  if (size == 0) {
    return std::unique_ptr<const FileMapping>(new FileMapping({}));
  }
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    return std::unexpected(Error::from_errno(errno, "map"));
  }
  return std::unique_ptr<const FileMapping>(
      new FileMapping({static_cast<const std::byte*>(address), size}));
}

FileMapping::~FileMapping() {
  if (!bytes_.empty()) {
    // munmap takes no const and reads nothing; it can only fail for arguments that mmap never gave.
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

}  // namespace mmapdir
