// SPDX-License-Identifier: MIT
#pragma once

#include <functional>

namespace mmapdirfs::test {

// Runs `what` to its end in a thread of its own that has given up a capability (linux/capability.h)
// or all of root's powers; this thread keeps them. Credentials are a thread's in Linux, and only
// the C library makes them a process's. Where there is nothing to give up, it just runs. No Catch2
// assertions inside.
void without_capability(unsigned capability, const std::function<void()>& what);
void as_ordinary_user(const std::function<void()>& what);

}  // namespace mmapdirfs::test
