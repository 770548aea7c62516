// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mmapdirfs {

// Splits an `-o` list at its commas; a backslash takes the next character literally, as in libfuse.
std::vector<std::string> split_mount_options(std::string_view list);

enum class MountOptionKind {
  kPassed,   // the kernel or libfuse acts on it
  kIgnored,  // it speaks to mount(8), systemd or the boot scripts, or is always so
  kUnknown,
};

MountOptionKind kind_of_mount_option(std::string_view option);

// For messages: the options that are passed on.
std::string known_mount_options();

}  // namespace mmapdirfs
