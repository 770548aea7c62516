// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "ctl/doctor/finding.h"
#include "ctl/verb.h"

namespace mmapdirfs::ctl {

// Whether `source` can be mounted on `mountpoint`: both are there, neither lies in the other,
// nothing else of ours is mounted there.
Finding check_directories(const std::string& source, const std::string& mountpoint);

// Whether changes of the source that others make are reported.
Finding check_source(const std::string& source);

// How a mount that is there is doing.
std::vector<Finding> check_mounted(const std::string& mountpoint, const Invocation& invocation,
                                   const OpenMount& open_mount);

}  // namespace mmapdirfs::ctl
