// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>

#include "support/unique_fd.h"

namespace mmapdir::test {

// A new file system that is mounted nowhere, so that nothing is left behind whatever becomes of the
// test: it goes with its object. Skips the test where it can't be made. A resource type.
class DetachedMount {
 public:
  using Options = std::initializer_list<std::pair<const char*, std::string>>;

  DetachedMount(const char* type, Options options);

  // Its root, as long as this lives.
  std::filesystem::path path() const;

 private:
  UniqueFd root_;
};

}  // namespace mmapdir::test
