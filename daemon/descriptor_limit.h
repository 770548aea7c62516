// SPDX-License-Identifier: MIT
#pragma once

namespace mmapdirfs {

// Raises this process's limit of open descriptors as far as it may: with CAP_SYS_RESOURCE up to
// what the machine lets any process have (fs.nr_open), else up to its hard limit. Each file that a
// program has open on the mount may take one here, so that a limit below the program's own is met
// first. Logs how far it came where that isn't far.
void raise_descriptor_limit();

}  // namespace mmapdirfs
