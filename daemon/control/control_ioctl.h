// SPDX-License-Identifier: MIT
#pragma once

#include <linux/ioctl.h>

#include <cstdint>

namespace mmapdirfs {

// How commands reach the control file of a read-only mount, on which the kernel opens nothing for
// writing: by ioctl on a handle that is open for reading. ENOTTY for the way that isn't the
// mount's.

// One line that NUL ends. Its answers are read from the handle.
struct ControlCommand {
  char line[4096];  // NOLINT(modernize-avoid-c-arrays): what the kernel copies
};

inline constexpr unsigned long kControlIoctl = _IOW('m', 1, ControlCommand);

// Where opens send no message, the daemon knows of no handles, and of no end of one. There each
// command is a conversation: kAsk gives it a number, kListen waits for its answers, kHangUp cancels
// it. It is over once kListen has answered nothing, or if nobody has listened for a minute.
struct ControlConversation {
  std::uint64_t number;  // kAsk: out; else: in
  std::uint64_t size;    // kListen: out, bytes of text; 0 is the end
  char text[8192];       // NOLINT(modernize-avoid-c-arrays): kAsk: in, as above; kListen: out
};

inline constexpr unsigned long kControlAsk = _IOWR('m', 2, ControlConversation);
inline constexpr unsigned long kControlListen = _IOWR('m', 3, ControlConversation);
inline constexpr unsigned long kControlHangUp = _IOW('m', 4, ControlConversation);

}  // namespace mmapdirfs
