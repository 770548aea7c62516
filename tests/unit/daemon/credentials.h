// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

namespace mmapdirfs::test {

// Run `what` to its end in a thread of its own, whose credentials, mounts and the like nobody else
// shares: in Linux they are a thread's, and only the C library makes them a process's. What it
// throws comes out here. No Catch2 assertions inside.
void in_thread(const std::function<void()>& what);

// The same, having given up a capability (linux/capability.h) or all of root's powers. Where there
// is nothing to give up, it just runs.
void without_capability(unsigned capability, const std::function<void()>& what);
void as_ordinary_user(const std::function<void()>& what);

}  // namespace mmapdirfs::test
