// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>

namespace mmapdir::test {

// A tree with a file of every kind and permission, for which the parity operations have answers.
// Needs root; `reader` is whom the access control list of "acl" lets in.
void make_parity_tree(const std::filesystem::path& root, uid_t reader);

}  // namespace mmapdir::test
