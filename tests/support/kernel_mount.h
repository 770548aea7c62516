// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mmapdir::test {

// The mount points at or beneath a directory, as the kernel tells them, oldest first.
std::vector<std::string> mounts_under(const std::filesystem::path& directory);

// Something of the kernel's own mounted by root, for as long as the object lives. A resource type.
class KernelMount {
 public:
  static KernelMount bind(const std::filesystem::path& what, const std::filesystem::path& where);
  static KernelMount bind_read_only(const std::filesystem::path& what,
                                    const std::filesystem::path& where);
  // Where reading leaves no trace.
  static KernelMount bind_without_access_times(const std::filesystem::path& what,
                                               const std::filesystem::path& where);
  // With flags of mount(2) like MS_NOEXEC.
  static KernelMount bind_with_flags(const std::filesystem::path& what,
                                     const std::filesystem::path& where, unsigned long flags);
  // Options as mount(8) takes them: size=, nr_inodes=.
  static KernelMount tmpfs(const std::filesystem::path& where, const std::string& options = {});
  static KernelMount ramfs(const std::filesystem::path& where);
  static KernelMount overlay(const std::filesystem::path& where, const std::string& options);

  KernelMount(const KernelMount&) = delete;
  KernelMount& operator=(const KernelMount&) = delete;
  ~KernelMount();

  // Fails while somebody has a file open for writing there.
  enum class Writability { kReadOnly, kReadWrite };
  bool try_to_make(Writability writability) const;

  const std::filesystem::path& path() const { return path_; }

 private:
  KernelMount(const char* what, const std::filesystem::path& where, const char* type,
              unsigned long flags, const char* options);

  std::filesystem::path path_;
};

// Gives the calling process mounts of its own, which nobody else sees.
void enter_private_mount_namespace();

}  // namespace mmapdir::test
