// SPDX-License-Identifier: MIT
// What it costs to have a mount that nobody uses, and to begin one.

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "scale/daemon_figures.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kMostIdleMemory = 20U << 20U;
constexpr Seconds kIdle{3};

TEST_CASE("A mount that nobody uses wakes no thread and takes little memory", "[idle]") {
  const TemporaryDirectory source;
  const auto names = make_files_of_each_size(source.path());
  Mount mount(source.path());
  for (const std::string& name : names) {
    CHECK(difference(read_file(mount / name), read_file(source / name)).empty());
  }
  const pid_t daemon = mount.daemon().pid();
  // Threads are on their way to sleep, and closed files on theirs to the daemon.
  std::uint64_t slept = times_slept(daemon);
  CHECK(eventually([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return std::exchange(slept, times_slept(daemon)) == slept;
  }));

  std::this_thread::sleep_for(kIdle);  // nothing can be waited for, since nothing is to happen
  const std::uint64_t woken = times_slept(daemon) - slept;
  const std::uint64_t memory = resident_memory(daemon);
  fmt::print("idle: {} wake-ups in {} s, {} kB of memory, {} descriptors\n", woken, kIdle.count(),
             memory / 1'024, descriptors(daemon));
  CHECK(woken == 0);
  if (!has_sanitizer()) {
    CHECK(memory < kMostIdleMemory);
  }
}

// The bound is for machines with much else to do.
TEST_CASE("A mount answers soon after it was asked for", "[idle]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const auto begin = steady_clock::now();
  const Mount mount(source.path());
  CHECK(read_file(mount / "file") == "x");
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
  fmt::print("from start to first answer: {} ms\n", took.count());
  CHECK(took < (has_sanitizer() ? kPatience : Seconds(2)));
}

}  // namespace
}  // namespace mmapdir::test
