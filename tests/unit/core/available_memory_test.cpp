// SPDX-License-Identifier: MIT
#include "src/available_memory.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string_view>

#include "forked_child.h"
#include "memory_cgroup.h"
#include "scratch.h"

namespace mmapdir {
namespace {

using Bound = AvailableMemory::Bound;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

// A machine made of files, with 100 MiB available.
class AvailableMemoryTest {
 protected:
  AvailableMemoryTest() { put("proc/meminfo", "MemTotal: 204800 kB\nMemAvailable:  102400 kB\n"); }

  void put(const std::filesystem::path& path, std::string_view text) const {
    std::filesystem::create_directories((root_.path() / path).parent_path());
    test::put_file(root_.path() / path, text);
  }

  AvailableMemory::Amount now() const { return AvailableMemory(root_.path()).now(); }

 private:
  test::ScratchDirectory root_;
};

TEST_CASE_METHOD(AvailableMemoryTest, "without a cgroup the machine's memory is available") {
  CHECK(now().bytes == 100 * kMebibyte);
  CHECK(now().bound == Bound::kSystem);
}

TEST_CASE_METHOD(AvailableMemoryTest, "a cgroup of version 2 leaves what its limit leaves") {
  put("proc/self/cgroup", "0::/a/b\n");
  put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
  put("sys/fs/cgroup/a/b/memory.max", "52428800\n");  // 50 MiB
  put("sys/fs/cgroup/a/b/memory.high", "max\n");
  put("sys/fs/cgroup/a/b/memory.current", "31457280\n");  // 30 MiB, 10 MiB of them page cache
  put("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 8388608\nactive_file 2097152\n");
  CHECK(now().bytes == 30 * kMebibyte);
  CHECK(now().bound == Bound::kCgroup);
}

TEST_CASE_METHOD(AvailableMemoryTest, "the tightest of the cgroups around the process counts") {
  put("proc/self/cgroup", "0::/a/b\n");
  put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  put("sys/fs/cgroup/a/memory.max", "20971520\n");
  put("sys/fs/cgroup/a/memory.current", "10485760\n");
  put("sys/fs/cgroup/a/b/memory.max", "max\n");
  put("sys/fs/cgroup/a/b/memory.high", "52428800\n");
  put("sys/fs/cgroup/a/b/memory.current", "0\n");
  CHECK(now().bytes == 10 * kMebibyte);
}

TEST_CASE_METHOD(AvailableMemoryTest, "a cgroup above its limit leaves nothing") {
  put("proc/self/cgroup", "0::/\n");
  put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  put("sys/fs/cgroup/memory.max", "10\n");
  put("sys/fs/cgroup/memory.current", "1000\n");
  CHECK(now().bytes == 0);
}

TEST_CASE_METHOD(AvailableMemoryTest, "a cgroup of version 1 is found among the controllers") {
  put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n");
  put("proc/self/mountinfo",
      "31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
      "32 24 0:28 /docker/abc /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "41943040\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "31457280\n");
  put("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 10485760\n");
  CHECK(now().bytes == 20 * kMebibyte);
  CHECK(now().bound == Bound::kCgroup);
}

TEST_CASE_METHOD(AvailableMemoryTest, "what can't be read or understood bounds nothing") {
  put("proc/self/cgroup", "rubbish\n0::/a\n");
  put("proc/self/mountinfo", "rubbish\n30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  put("sys/fs/cgroup/a/memory.max", "rubbish\n");
  CHECK(now().bytes == 100 * kMebibyte);
  put("proc/meminfo", "rubbish\n");
  CHECK(now().bytes == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("the limit of the cgroup that a process is really in is found") {
  const test::MemoryCgroup cgroup(32 * kMebibyte);
  const test::ForkedChild child([&] {
    if (!cgroup.join()) {
      return false;
    }
    const auto now = AvailableMemory().now();
    return now.bound == Bound::kCgroup && now.bytes <= 32 * kMebibyte;
  });
  CHECK(child.succeeded());
}

TEST_CASE("a real machine has memory available") {
  const auto now = AvailableMemory().now();
  CHECK(now.bytes > 0);
  CHECK(now.bytes < std::uint64_t{1} << 60U);
}

}  // namespace
}  // namespace mmapdir
