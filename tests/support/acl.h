// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace mmapdir::test {

inline constexpr const char* kAclName = "system.posix_acl_access";
inline constexpr const char* kDefaultAclName = "system.posix_acl_default";

// An access control list in the form of the extended attribute (linux/posix_acl_xattr.h): the
// owner reads and writes, `reader` reads, nobody else may do anything.
std::string acl_for_reader(uid_t reader);

void set_acl(const std::filesystem::path& path, const std::string& acl,
             const char* name = kAclName);

}  // namespace mmapdir::test
