// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "mmapdir/byte_range.h"
#include "mmapdir/result.h"

namespace mmapdir {

// A part of a file mapped to ask or advise the kernel about it, rather than to read it: nobody else
// sees the advice that it is given. It may reach beyond the file's end. A resource type.
class TemporaryMapping {
 public:
  // `range` begins at a page and isn't empty; `fd` is only borrowed.
  static Result<TemporaryMapping> of(int fd, ByteRange range) {
    const auto length = static_cast<std::size_t>(range.length);
    void* const address =
        ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(range.offset));
    if (address == MAP_FAILED) {
      return std::unexpected(Error::from_errno(errno, "map"));
    }
    return TemporaryMapping(address, length);
  }

  TemporaryMapping(TemporaryMapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), length_(other.length_) {}
  TemporaryMapping& operator=(TemporaryMapping&&) = delete;
  TemporaryMapping(const TemporaryMapping&) = delete;
  TemporaryMapping& operator=(const TemporaryMapping&) = delete;
  ~TemporaryMapping() {
    if (address_ != nullptr) {
      ::munmap(address_, length_);
    }
  }

  void* address() const { return address_; }
  std::size_t length() const { return length_; }

 private:
  TemporaryMapping(void* address, std::size_t length) : address_(address), length_(length) {}

  void* address_;
  std::size_t length_;
};

}  // namespace mmapdir
