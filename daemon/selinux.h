// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace mmapdirfs {

// Whether this machine's kernel runs SELinux, also where this process has been shown nothing of it
// (a container). True where that can't be known.
bool machine_has_selinux();

// The same by the text of /proc/filesystems: a kernel that was started without SELinux doesn't name
// its file system there. Apart for the tests.
bool has_selinux(std::string_view file_systems);

}  // namespace mmapdirfs
