// SPDX-License-Identifier: MIT
#include "memory_cgroup.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

namespace mmapdir::test {
namespace fs = std::filesystem;
namespace {

bool write_number(const fs::path& path, std::uint64_t number) {
  std::ofstream file(path);
  file << number << std::flush;
  return file.good();
}

}  // namespace

MemoryCgroup::MemoryCgroup(std::uint64_t limit_bytes) {
  const fs::path root = "/sys/fs/cgroup";
  const bool is_version_1 = fs::exists(root / "memory/memory.limit_in_bytes");
  std::error_code error;
  if (!is_version_1) {
    std::ofstream(root / "cgroup.subtree_control") << "+memory" << std::flush;
  }
  directory_ =
      root / (is_version_1 ? "memory" : "") / ("mmapdir-test-" + std::to_string(::getpid()));
  fs::create_directory(directory_, error);
  if (!write_number(directory_ / (is_version_1 ? "memory.limit_in_bytes" : "memory.max"),
                    limit_bytes)) {
    fs::remove(directory_, error);
    SKIP("no memory cgroup can be made here");
  }
}

MemoryCgroup::~MemoryCgroup() {
  // A process that was waited for may still be on its way out of the group.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (::rmdir(directory_.c_str()) != 0 && errno == EBUSY &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
}

bool MemoryCgroup::join() const {
  return write_number(directory_ / "cgroup.procs", static_cast<std::uint64_t>(::getpid()));
}

}  // namespace mmapdir::test
