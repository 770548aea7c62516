// SPDX-License-Identifier: MIT
#pragma once

#include <mutex>
#include <utility>

namespace mmapdir {

// A value that can only be reached with its mutex held.
//
//   Guarded<Table> table_;
//   auto table = table_.lock();   // held until `table` goes out of scope
//   table->insert(...);
template <class T>
class Guarded {
 public:
  class Access {
   public:
    T* operator->() const { return value_; }
    T& operator*() const { return *value_; }

   private:
    friend class Guarded;
    Access(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}

    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}

  Access lock() { return Access(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace mmapdir
