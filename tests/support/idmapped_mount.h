// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "support/unique_fd.h"

namespace mmapdir::test {

// The user namespace of a container: its ids from 0 up are `first` and those that follow, outside.
// A resource type.
class UserNamespace {
 public:
  UserNamespace(id_t first, unsigned count);

  int fd() const { return fd_.get(); }
  // The calling process becomes one of its users. For a child.
  void enter_as(uid_t uid, gid_t gid) const;

 private:
  UniqueFd fd_;
};

// A directory seen somewhere else with the ids that it has outside of a user namespace, as
// containers have their volumes. A resource type.
class IdmappedMount {
 public:
  // 0, or the errno for which the kernel refuses to map the directory's file system.
  static int try_to_map(const std::filesystem::path& what, const UserNamespace& users);

  IdmappedMount(const std::filesystem::path& what, const std::filesystem::path& where,
                const UserNamespace& users);
  IdmappedMount(const IdmappedMount&) = delete;
  IdmappedMount& operator=(const IdmappedMount&) = delete;
  ~IdmappedMount();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mmapdir::test
