// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include "support/unique_fd.h"

namespace mmapdirfs::ctl {

using mmapdir::UniqueFd;

// One command given to a daemon, and its answers: by write and read, or, where the kernel opens
// nothing for writing, by ioctl. What isn't heard to its end is cancelled. A resource type, used by
// one thread.
class Conversation {
 public:
  // `directory` is a mount's control directory. The error is an errno.
  static std::expected<Conversation, int> begin(int directory, const std::string& command);

  Conversation(Conversation&&) = default;
  Conversation& operator=(Conversation&&) = delete;
  ~Conversation();

  // As read(2): waits for more, EINTR included; 0 is the end.
  ssize_t hear(std::span<char> buffer);

 private:
  explicit Conversation(UniqueFd file) : file_(std::move(file)) {}

  bool write(const std::string& command) const;
  bool ask(const std::string& command);

  UniqueFd file_;
  // Where the daemon knows of no handles (see control_ioctl.h).
  std::optional<std::uint64_t> number_;
};

}  // namespace mmapdirfs::ctl
