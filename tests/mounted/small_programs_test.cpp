// SPDX-License-Identifier: MIT
// Programs of 32 bits that were built without large-file support: what they can list and stat on
// the source they can on the mount.

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <sstream>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Built at its first use.
class SmallProgram {
 public:
  SmallProgram() {
    const Outcome built = run({"sh", "-c",
                               fmt::format("gcc -m32 -o '{}' '{}'", (directory_ / "list").string(),
                                           MMAPDIRFS_LIST_AND_STAT)});
    if (built.status != 0 || run({directory_ / "list"}).status != 0) {
      skip("this machine can't build or run programs of 32 bits (gcc-multilib): " + built.error);
    }
  }

  std::vector<std::string> names(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command{directory_ / "list"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(command, {}, Seconds(200));
    INFO(outcome.error);
    CHECK(outcome.status == 0);
    std::vector<std::string> lines;
    std::istringstream output(outcome.output);
    for (std::string line; std::getline(output, line);) {
      lines.push_back(line);
    }
    std::ranges::sort(lines);
    return lines;
  }

 private:
  TemporaryDirectory directory_;
};

TEST_CASE("A small program lists a large directory, in one go and coming back after each name",
          "[small_programs]") {
  const SmallProgram program;
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "large");
  constexpr int kFiles = 3'000;
  for (int i = 0; i < kFiles; ++i) {
    write_file(source / fmt::format("large/file-{}", i), "");
  }
  const Mount mount(source.path(), {.options = path});
  const auto expected = program.names({source / "large"});
  REQUIRE(expected.size() == kFiles + 2);
  CHECK(program.names({mount / "large"}) == expected);
  CHECK(program.names({"-s", mount / "large"}) == expected);
  CHECK(program.names({mount / "large"}) == expected);
  // Its own way of emptying one.
  CHECK(run({"rm", "-r", mount / "large"}).status == 0);
}

TEST_CASE("A small program stats what is on a file system within the source", "[small_programs]") {
  require_root();
  const SmallProgram program;
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "inner");
  std::filesystem::create_directory(source / "second");
  const KernelMount inner = KernelMount::tmpfs(source / "inner");
  const KernelMount second = KernelMount::tmpfs(source / "second");
  write_file(source / "inner/file", "");
  write_file(source / "second/file", "");
  const Mount mount(source.path(), {.options = path});
  const auto expected = program.names({source.path(), source / "inner", source / "second"});
  CHECK(program.names({mount.root(), mount / "inner", mount / "second"}) == expected);
  struct stat one{};
  struct stat other{};
  must(::stat((mount / "inner/file").c_str(), &one), "stat");
  must(::stat((mount / "second/file").c_str(), &other), "stat");
  CHECK(one.st_ino != other.st_ino);
}

}  // namespace
}  // namespace mmapdir::test
