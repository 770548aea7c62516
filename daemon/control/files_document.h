// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "fs/file_system.h"

namespace mmapdirfs {

// One JSON object a line for each file that is open, kept open for its next reader, or mapped.
// `pinned` says how many bytes of which file are.
std::string files_document(FileSystem& fs,
                           const std::unordered_map<SourceIdentity, std::uint64_t>& pinned);

}  // namespace mmapdirfs
