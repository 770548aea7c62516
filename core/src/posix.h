// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "mmapdir/result.h"
#include "support/retry_interrupted.h"

namespace mmapdir {

// System calls as this library needs them: an errno becomes an Error on the spot, a call that a
// signal interrupted is made again, and what came or went in parts is completed. `subject` names
// the file in an Error.

Result<struct stat> file_status(int fd, std::string_view subject = {});

// Fills `to` from `offset` on. Errors also: EIO when the file ends before that.
Result<void> read_exactly(int fd, std::uint64_t offset, std::span<std::byte> to);

Result<void> write_all(int fd, std::span<const std::byte> bytes, std::string_view subject);

// fsync, of a file or a directory.
Result<void> sync_to_disk(int fd, std::string_view subject);

}  // namespace mmapdir
