// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/types.h"
#include "support/guarded.h"

namespace mmapdirfs {

// What the kernel has open, by generated number. A request holds a reference of its own, so that a
// release can't take the object away from under it. Any thread may call.
template <class T>
class HandleTable {
 public:
  HandleId insert(std::shared_ptr<T> object) {
    auto state = state_.lock();
    const HandleId handle{++state->last};
    state->objects.emplace(handle, std::move(object));
    return handle;
  }

  // EBADF for a handle that isn't open.
  Result<std::shared_ptr<T>> find(HandleId handle) const {
    return find(handle, [](const T& /*object*/) {});
  }

  // The same; `look` is called with the object while the table is locked. What it looks at is
  // guarded by that lock if nobody looks at it in another way.
  template <class Look>
  Result<std::shared_ptr<T>> find(HandleId handle, Look look) const {
    auto state = state_.lock();
    const auto found = state->objects.find(handle);
    if (found == state->objects.end()) {
      return std::unexpected(Error::from_errno(EBADF, "use a handle that isn't open"));
    }
    look(*found->second);
    return found->second;
  }

  // Answers the object, for the caller to destroy without the lock; null when it wasn't open.
  std::shared_ptr<T> remove(HandleId handle) {
    auto state = state_.lock();
    auto node = state->objects.extract(handle);
    return node.empty() ? nullptr : std::move(node.mapped());
  }

  // The same for all of which `is_unwanted` says so. It is called with the table locked.
  template <class Predicate>
  std::vector<std::shared_ptr<T>> remove_if(Predicate is_unwanted) {
    std::vector<std::shared_ptr<T>> removed;
    auto state = state_.lock();
    std::erase_if(state->objects, [&](const auto& each) {
      const bool goes = std::invoke(is_unwanted, *each.second);
      if (goes) {
        removed.push_back(each.second);
      }
      return goes;
    });
    return removed;
  }

  std::size_t size() const { return state_.lock()->objects.size(); }

 private:
  struct State {
    std::unordered_map<HandleId, std::shared_ptr<T>> objects;
    std::uint64_t last = 0;
  };

  mutable mmapdir::Guarded<State> state_;
};

}  // namespace mmapdirfs
