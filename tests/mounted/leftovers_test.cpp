// SPDX-License-Identifier: MIT
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "support/kernel_mount.h"
#include "support/temporary_directory.h"

namespace mmapdir::test {
namespace {

TEST_CASE("No test leaves a mount behind", "[leftovers]") {
  std::vector<std::string> left = mounts_under("/");
  std::erase_if(
      left, [](const std::string& point) { return !point.contains(TemporaryDirectory::prefix()); });
  CHECK(left.empty());
}

}  // namespace
}  // namespace mmapdir::test
