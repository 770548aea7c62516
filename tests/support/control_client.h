// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "support/mount.h"
#include "support/unique_fd.h"

namespace mmapdir::test {

// An open `control` file. A resource type.
class ControlClient {
 public:
  // `flags` are open(2)'s; what can't be opened is an exception.
  explicit ControlClient(const std::filesystem::path& mount, int flags);

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

  // A line, by write or, where that isn't open for it, by ioctl: 0 or the errno.
  int give(std::string_view line) const;
  // The answers up to the end of the last command.
  std::string answers() const;

 private:
  UniqueFd fd_;
  bool writes_;
};

// A command's answers, from a handle of its own.
std::string control(const std::filesystem::path& mount, std::string_view line);

// The same by ioctl, as on a read-only mount.
std::string control_by_ioctl(const std::filesystem::path& mount, std::string_view line);

inline constexpr std::string_view kDone = "{\"event\":\"done\"}\n";

}  // namespace mmapdir::test
