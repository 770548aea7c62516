// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "fs/backing_registry.h"
#include "fs/types.h"
#include "mmapdir/mapping_cache.h"
#include "start_error.h"

namespace mmapdirfs {

// How files will be read, and what the log should say about it.
struct ReadPathChoice {
  ReadPath path;
  std::string advice;  // what would make reads faster; empty where nothing would
};

const char* name_of(ReadPath path);

// Tries what was asked for (or, when nothing was, the fastest first) on a file of the source.
// `kernel_offers_passthrough` is what INIT said. An error where a path asked for by name can't be
// had.
std::expected<ReadPathChoice, StartError> choose_read_path(std::optional<ReadPath> asked,
                                                           bool kernel_offers_passthrough, int root,
                                                           BackingRegistry& backings,
                                                           mmapdir::MappingCache& cache);

}  // namespace mmapdirfs
