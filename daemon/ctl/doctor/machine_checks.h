// SPDX-License-Identifier: MIT
#pragma once

#include "ctl/doctor/finding.h"

namespace mmapdirfs::ctl {

// What the kernel and libfuse offer.
Finding check_kernel(const Machine& machine);
Finding check_device(const Machine& machine);
Finding check_fusermount(const Machine& machine);
Finding check_allow_other(const Machine& machine);
Finding check_libfuse(const Machine& machine);
Finding check_passthrough(const Machine& machine);
Finding check_io_uring(const Machine& machine);
Finding check_cachestat(const Machine& machine);

// What the machine sets as limits.
Finding check_locked_memory(const Machine& machine);
Finding check_descriptors(const Machine& machine);
Finding check_mappings(const Machine& machine);
Finding check_watches(const Machine& machine);

}  // namespace mmapdirfs::ctl
