// SPDX-License-Identifier: MIT
#pragma once

#include <catch2/catch_message.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace mmapdir::test {

// The daemon that is tested: $MMAPDIRFS, else the one of this build.
std::string daemon_program();

// A sanitizer's daemon starts slowly on a busy machine.
inline constexpr Seconds kPatience{60};

struct MountSetup {
  std::vector<std::string> options{};
  std::optional<User> user{};      // who runs the daemon and owns the mount point
  std::function<void()> before{};  // as in ProcessSetup
};

// A directory mounted by a daemon of its own, which stays in front. A resource type: whatever
// happens in the test, the mount is taken away and the daemon ended.
//
// Requests come through /dev/fuse, whatever the machine allows, unless the test's options say
// otherwise; with MMAPDIRFS_TEST_IO_URING=on in the environment all tests are run over io_uring.
//
// The constructor returns once the daemon says that it has mounted and throws, with the daemon's
// log, if it doesn't. Its options are shown with each assertion that fails meanwhile.
class Mount {
 public:
  explicit Mount(const std::filesystem::path& source, MountSetup setup = {});
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  // Checks that the daemon goes with status 0, unless the test has ended it itself.
  ~Mount();

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path operator/(std::string_view name) const { return root_ / name; }

  // The daemon's own words so far.
  std::string log() const;
  // The line in which it says what it has mounted and how it reads.
  std::string ready_line() const;

  Process& daemon() { return daemon_; }
  bool mounted() const;

  // umount(8)'s way, or fusermount3's if an ordinary user mounted: 0 or the errno of the former,
  // the status of the latter. Then the daemon's status can be waited for.
  int unmount();

 private:
  Process start(const std::filesystem::path& source) const;
  void wait_until_ready();
  void force_end();

  MountSetup setup_;
  Catch::ScopedMessage shown_;
  TemporaryDirectory directory_;
  std::filesystem::path root_;
  std::filesystem::path log_;
  Process daemon_;
};

}  // namespace mmapdir::test
