// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <limits>
#include <new>

namespace mmapdirfs {

// A standard allocator whose memory comes from the kernel and goes back to it at once. malloc gives
// back only what lies at the end of its heap, so one small block keeps all memory below it.
//
// For large blocks: each takes whole pages. Stateless; any thread may call.
template <class T>
class PageAllocator {
 public:
  using value_type = T;

  PageAllocator() = default;
  template <class Other>
  explicit(false) PageAllocator(const PageAllocator<Other>& /*other*/) noexcept {}

  T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) {
      throw std::bad_array_new_length();
    }
    void* memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    return static_cast<T*>(memory);
  }

  // Splitting an area can fail where the process has all the areas that it may have. The pages go
  // back in any case; the addresses are then lost.
  void deallocate(T* memory, std::size_t count) noexcept {
    if (::munmap(memory, count * sizeof(T)) != 0) {
      ::madvise(memory, count * sizeof(T), MADV_DONTNEED);
    }
  }

  bool operator==(const PageAllocator& /*other*/) const { return true; }
};

}  // namespace mmapdirfs
