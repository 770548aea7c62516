// SPDX-License-Identifier: MIT
#include "detached_mount.h"

#include <sys/mount.h>

#include "scratch.h"

namespace mmapdir::test {
namespace {

int or_skip(int result, const char* type) {
  if (result < 0) {
    skip(std::string("can't mount ") + type + ": " + std::generic_category().message(errno) +
         " (needs root)");
  }
  return result;
}

}  // namespace

DetachedMount::DetachedMount(const char* type, Options options) {
  const UniqueFd context(or_skip(::fsopen(type, FSOPEN_CLOEXEC), type));
  for (const auto& [key, value] : options) {
    or_skip(::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0), type);
  }
  or_skip(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), type);
  root_ = UniqueFd(or_skip(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0), type));
}

std::filesystem::path DetachedMount::path() const {
  return "/proc/self/fd/" + std::to_string(root_.get());
}

}  // namespace mmapdir::test
