// SPDX-License-Identifier: MIT
// Every read operation gives on the mount the value or the errno that it gives on the directory.

#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "parity_answer.h"
#include "parity_operations.h"
#include "parity_tree.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

// In a child, which can be any user: one line of output for each operation.
std::vector<std::string> answers(const std::vector<Operation>& operations,
                                 const std::filesystem::path& root, const User& user) {
  const Outcome outcome = run_function(
      [&] {
        for (const Operation& operation : operations) {
          (void)std::puts(operation.ask(root).c_str());
        }
        return 0;
      },
      {.user = user});
  return lines_of(outcome, operations.size());
}

bool fair(const Operation& operation, const std::string& here, const std::string& there) {
  return here == there ||
         (operation.writes && here.ends_with("EROFS") && there.ends_with("EACCES"));
}

TEST_CASE("Every read operation answers as on a read-only directory, for root and for others",
          "[parity]") {
  const ReadPath path = each_read_path();
  require_ordinary_user();
  const User nobody = ordinary_user();
  const TemporaryDirectory source;
  make_parity_tree(source.path(), nobody.uid);
  const TemporaryDirectory elsewhere;
  const KernelMount plain = KernelMount::bind_read_only(source.path(), elsewhere.path());
  const Mount mount(source.path(), {.options = with_option(path, "-oro,allow_other")});

  const std::vector<Operation> operations = parity_operations();
  for (const User& user : {User{}, nobody}) {
    const auto there = answers(operations, plain.path(), user);
    const auto here = answers(operations, mount.root(), user);
    for (std::size_t i = 0; i < operations.size(); ++i) {
      CAPTURE(user.uid, operations[i].name, here[i], there[i]);
      CHECK(fair(operations[i], here[i], there[i]));
    }
  }
}

}  // namespace
}  // namespace mmapdir::test
