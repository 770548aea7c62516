// SPDX-License-Identifier: MIT
#include "support/acl.h"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "support/files.h"

namespace mmapdir::test {
namespace {

// The header spells it as a negative number.
constexpr auto kNobodySpecial = static_cast<std::uint32_t>(ACL_UNDEFINED_ID);

template <class T>
void append(std::string& bytes, const T& record) {
  std::array<char, sizeof(T)> raw{};
  std::memcpy(raw.data(), &record, sizeof(T));
  bytes.append(raw.data(), raw.size());
}

posix_acl_xattr_entry entry(int tag, int permissions, std::uint32_t id = kNobodySpecial) {
  return {.e_tag = htole16(static_cast<std::uint16_t>(tag)),
          .e_perm = htole16(static_cast<std::uint16_t>(permissions)),
          .e_id = htole32(id)};
}

}  // namespace

std::string acl_for_reader(uid_t reader) {
  std::string acl;
  append(acl, posix_acl_xattr_header{.a_version = htole32(POSIX_ACL_XATTR_VERSION)});
  append(acl, entry(ACL_USER_OBJ, ACL_READ | ACL_WRITE));
  append(acl, entry(ACL_USER, ACL_READ, reader));
  append(acl, entry(ACL_GROUP_OBJ, 0));
  append(acl, entry(ACL_MASK, ACL_READ));
  append(acl, entry(ACL_OTHER, 0));
  return acl;
}

void set_acl(const std::filesystem::path& path, const std::string& acl, const char* name) {
  must(::setxattr(path.c_str(), name, acl.data(), acl.size(), 0), "set an ACL");
}

}  // namespace mmapdir::test
