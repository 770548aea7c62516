// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace mmapdir::test {

// What a process takes, from /proc. They throw where the process is gone.

// Bytes of memory of its own; pages of mapped files don't count.
std::uint64_t resident_memory(pid_t process);

std::size_t descriptors(pid_t process);

// How often its threads, all together, have gone to sleep: each wake-up ends with one more.
std::uint64_t times_slept(pid_t process);

// Its mappings of files beneath a directory.
std::size_t mappings_beneath(pid_t process, const std::filesystem::path& directory);

}  // namespace mmapdir::test
