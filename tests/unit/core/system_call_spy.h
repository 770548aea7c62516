// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>

namespace mmapdir::test {

// The test program defines fsync, pread and write itself, so that it sees the library's calls and
// can make them behave as a disk or a signal might. While no SystemCallSpy lives they are as usual;
// while one does, no sync reaches the disk, which would only cost time. One at a time.
class SystemCallSpy {
 public:
  SystemCallSpy();
  SystemCallSpy(const SystemCallSpy&) = delete;
  SystemCallSpy& operator=(const SystemCallSpy&) = delete;
  ~SystemCallSpy();

  // How often that file or directory was synced, by whichever descriptor.
  static std::size_t syncs_of(const std::filesystem::path& path);

  // The next `times` syncs of that file or directory fail.
  static void fail_syncs_of(const std::filesystem::path& path, int errnum, std::size_t times);

  // All syncs fail but those of that file or directory.
  static void fail_all_syncs_but_of(const std::filesystem::path& path, int errnum);

  // From now on pread and write move at most `limit` bytes, and every other call is interrupted.
  static void dribble(std::size_t limit);
};

}  // namespace mmapdir::test
