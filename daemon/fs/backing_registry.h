// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "fs/caller.h"
#include "fs/types.h"

namespace mmapdirfs {

// Registers source files with the kernel, which then reads them without the daemon. Its one
// implementation outside the tests talks to /dev/fuse (fuse/backing.h). Any thread may call.
class BackingRegistry {
 public:
  BackingRegistry() = default;
  BackingRegistry(const BackingRegistry&) = delete;
  BackingRegistry& operator=(const BackingRegistry&) = delete;
  virtual ~BackingRegistry() = default;

  // `fd` is a regular file and only borrowed. All I/O on it is done with the rights that
  // RegisteringFor gives to its first opener, whoever else comes to open it meanwhile.
  virtual Result<BackingId> open(int fd, const Caller& opener) = 0;
  virtual void close(BackingId id) = 0;
};

// Owns one registration, or none. A resource type: it moves and doesn't copy.
class Backing {
 public:
  Backing() = default;
  Backing(BackingRegistry& registry, BackingId id) : registry_(&registry), id_(id) {}
  Backing(Backing&& other) noexcept
      : registry_(std::exchange(other.registry_, nullptr)),
        id_(std::exchange(other.id_, kNoBacking)) {}
  Backing& operator=(Backing&&) = delete;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing() {
    if (registry_ != nullptr) {
      registry_->close(id_);
    }
  }

  BackingId id() const { return id_; }

 private:
  BackingRegistry* registry_ = nullptr;  // null: this owns no registration
  BackingId id_ = kNoBacking;
};

}  // namespace mmapdirfs
