// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace mmapdir::test {

// A shared mapping of a file from its beginning. A resource type: it moves.
class SharedMapping {
 public:
  SharedMapping() = default;
  // Nothing is mapped, and errno says why, where the kernel refuses.
  SharedMapping(int fd, std::size_t size, int protection)
      : bytes_(::mmap(nullptr, size, protection, MAP_SHARED, fd, 0)), size_(size) {}
  SharedMapping(SharedMapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, MAP_FAILED)), size_(std::exchange(other.size_, 0)) {}
  SharedMapping& operator=(SharedMapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping() {
    if (bytes_ != MAP_FAILED) {
      const int before = errno;
      ::munmap(bytes_, size_);
      errno = before;
    }
  }

  explicit operator bool() const { return bytes_ != MAP_FAILED; }
  char* bytes() const { return static_cast<char*>(bytes_); }
  std::size_t size() const { return size_; }

 private:
  void* bytes_ = MAP_FAILED;
  std::size_t size_ = 0;
};

}  // namespace mmapdir::test
