// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace mmapdir::test {

// A variable of the environment, where it is set and not empty.
std::optional<std::string> environment(const char* name);

// What a test needs of the machine. Where it isn't there, the test is skipped with the reason; with
// CI set in the environment it fails instead, so that a machine that tests less is noticed.
void require_root();
void require_fuse();  // /dev/fuse can be opened; for ordinary users too, if root can see to it
void require_passthrough();    // root, Linux 6.9, CONFIG_FUSE_PASSTHROUGH
void require_io_uring();       // root, Linux 6.14; allows it in the fuse module
void require_idmapped_fuse();  // root, Linux 6.12, CONFIG_USER_NS
void require_ordinary_user();  // root, who can become `nobody`, and fusermount3 with its
                               // set-user-id

// True where the daemon is built with a sanitizer, which takes memory and time of its own.
bool has_sanitizer();

// Skips where the daemon is built with a sanitizer that breaks without free descriptors: the one
// for undefined behaviour asks the kernel through a pipe whether an object is there, and reports a
// fault that isn't one if it can't have the pipe.
void require_no_undefined_sanitizer();

// For what no machine is obliged to have.
[[noreturn]] void skip(const std::string& reason);

}  // namespace mmapdir::test
