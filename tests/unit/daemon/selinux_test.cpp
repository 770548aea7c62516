// SPDX-License-Identifier: MIT
#include "selinux.h"

#include <catch2/catch_test_macros.hpp>

namespace mmapdirfs::test {
namespace {

TEST_CASE("SELinux runs where the kernel names its file system, and not another like it",
          "[selinux]") {
  CHECK(has_selinux("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"));
  CHECK_FALSE(has_selinux("nodev\tsysfs\n\text4\n"));
  CHECK_FALSE(has_selinux("nodev\tnoselinuxfs\n"));
}

}  // namespace
}  // namespace mmapdirfs::test
