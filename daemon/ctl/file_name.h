// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ctl/printable.h"

namespace mmapdirfs::ctl {

// How a file of `files`, `map` or `pins` is called: by its path, or by its number if the daemon
// doesn't know its name (any more). Printable.
std::string file_name(const nlohmann::json& file, Charset charset);

}  // namespace mmapdirfs::ctl
