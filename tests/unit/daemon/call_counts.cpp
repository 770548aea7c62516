// SPDX-License-Identifier: MIT
#include "unit/daemon/call_counts.h"

#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <new>

namespace mmapdirfs::test {
namespace {

CallCounts& counts() {
  thread_local CallCounts of_this_thread;
  return of_this_thread;
}

}  // namespace

CallCounts call_counts() { return counts(); }

}  // namespace mmapdirfs::test

// The other forms of `new` end here; the library's `delete` is free().
void* operator new(std::size_t size) {
  ++mmapdirfs::test::counts().allocations;
  if (void* const memory = std::malloc(size > 0 ? size : 1)) {
    return memory;
  }
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static const auto next = reinterpret_cast<Lock>(::dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++mmapdirfs::test::counts().mutex_locks;
  return next(mutex);
}
