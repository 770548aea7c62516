// SPDX-License-Identifier: MIT
#include "support/temporary_directory.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <system_error>

#include "support/files.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

std::filesystem::path default_parent() {
  if (const auto chosen = environment("MMAPDIR_TEST_DIRECTORY")) {
    return *chosen;
  }
  return ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() : TemporaryDirectory(default_parent()) {}

TemporaryDirectory::TemporaryDirectory(const std::filesystem::path& parent) {
  std::string name = parent / fmt::format("{}XXXXXX", prefix());
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  }
  path_ = name;
  must(::chmod(path_.c_str(), 0755), "chmod " + name);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code failure;
  std::filesystem::remove_all(path_, failure);
  if (failure) {
    fmt::print(stderr, "left behind: {}: {}\n", path_.string(), failure.message());
  }
}

std::string_view TemporaryDirectory::prefix() { return MMAPDIRFS_TEST_PREFIX; }

}  // namespace mmapdir::test
