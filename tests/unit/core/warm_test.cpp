// SPDX-License-Identifier: MIT
#include "mmapdir/warm.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "forked_child.h"
#include "memory_cgroup.h"
#include "mmapdir/residency.h"
#include "scratch.h"
#include "src/available_memory.h"
#include "src/warmer.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

// Files of which nothing is in memory.
class WarmTest {
 protected:
  fs::path put(const std::string& name, std::uint64_t size) const {
    fs::create_directories((directory_ / name).parent_path());
    test::put_file(directory_ / name, std::string(size, 'x'));
    test::drop_from_memory(test::open_file(directory_ / name, O_RDONLY).get());
    return directory_ / name;
  }

  static std::uint64_t resident(const fs::path& path) {
    const auto residency = residency_of(test::open_file(path, O_RDONLY).get(), 1);
    REQUIRE(residency);
    return residency->resident_bytes;
  }

  Result<WarmReport> try_to_warm(std::string_view pattern, const WarmOptions& options = {},
                                 const WarmProgressCallback& progress = {},
                                 const std::stop_token& stop = {}) const {
    return warm(root_.get(), {PathPattern::compile(pattern).value()}, options, progress, stop);
  }

  WarmReport warmed(std::string_view pattern, const WarmOptions& options = {},
                    const WarmProgressCallback& progress = {},
                    const std::stop_token& stop = {}) const {
    auto report = try_to_warm(pattern, options, progress, stop);
    REQUIRE(report);
    return *report;
  }

  int root() const { return root_.get(); }

 private:
  test::ScratchDirectory directory_;
  UniqueFd root_ = test::open_file(directory_.path(), O_PATH | O_DIRECTORY);
};

TEST_CASE_METHOD(WarmTest, "all of the files that match are in memory afterwards") {
  const auto a = put("a.vec", (3 * kMebibyte) + 5);
  const auto b = put("d/b.vec", kMebibyte);
  const auto c = put("c.txt", kMebibyte);
  const auto report = warmed("*.vec");
  CHECK(report.files == 2);
  CHECK(report.asked_bytes == (4 * kMebibyte) + 5);
  CHECK(report.read_bytes == report.asked_bytes);
  CHECK(report.resident_bytes == report.asked_bytes);
  CHECK(report.dropped_bytes == 0);
  CHECK_FALSE(report.stopped_by);
  CHECK(report.failures.empty());
  CHECK(resident(a) == (3 * kMebibyte) + 5);
  CHECK(resident(b) == kMebibyte);
  CHECK(resident(c) == 0);
}

TEST_CASE_METHOD(WarmTest, "what is in memory already isn't read again") {
  put("a", 4 * kMebibyte);
  warmed("a");
  CHECK(warmed("a").read_bytes == 0);
  CHECK(warmed("a").resident_bytes == 4 * kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "the holes of a sparse file are left out") {
  const auto path = put("a", 0);
  test::resize(path, 64 * kMebibyte);
  const auto fd = test::open_file(path, O_RDWR);
  test::must(::pwrite(fd.get(), "x", 1, 32 * kMebibyte), "pwrite");
  test::drop_from_memory(fd.get());
  const auto report = warmed("a");
  CHECK(report.asked_bytes == 64 * kMebibyte);
  CHECK(report.read_bytes < kMebibyte);
  CHECK(resident(path) < kMebibyte);
  CHECK(resident(path) > 0);
}

TEST_CASE_METHOD(WarmTest, "no more is read than the limit says") {
  const auto path = put("a", 4 * kMebibyte);
  const auto report = warmed("a", {.limit_bytes = (2 * kMebibyte) + 100});
  CHECK(report.stopped_by == WarmStop::kLimit);
  CHECK(report.read_bytes == 2 * kMebibyte);
  CHECK(resident(path) == 2 * kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "a limit that is just enough stops nothing") {
  put("a", 2 * kMebibyte);
  CHECK_FALSE(warmed("a", {.limit_bytes = 2 * kMebibyte}).stopped_by);
  CHECK_FALSE(warmed("a", {.limit_bytes = 0}).stopped_by);  // as it is all in memory
}

TEST_CASE_METHOD(WarmTest, "no more is read than the share of the available memory") {
  put("a", 4 * kMebibyte);
  const test::ScratchDirectory machine;
  fs::create_directory(machine / "proc");
  test::put_file(machine / "proc/meminfo", "MemAvailable: 4096 kB\n");
  const auto report = warm_with(root(), {PathPattern::compile("a").value()}, {.memory_percent = 25},
                                AvailableMemory(machine.path()), {}, {});
  REQUIRE(report);
  CHECK(report->stopped_by == WarmStop::kMemory);
  CHECK(report->read_bytes <= kMebibyte);
  CHECK(report->read_bytes > 0);
}

TEST_CASE_METHOD(WarmTest, "a memory cgroup that is too small isn't filled") {
  put("a", 32 * kMebibyte);
  const test::MemoryCgroup cgroup(32 * kMebibyte);
  const test::ForkedChild child([&] {
    if (!cgroup.join()) {
      return false;
    }
    const auto report = try_to_warm("a", {.memory_percent = 50});
    return report && report->stopped_by == WarmStop::kMemory &&
           report->read_bytes <= 16 * kMebibyte && report->read_bytes > 0;
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(WarmTest, "progress rises to the total, and shows the path") {
  put("a", 2 * kMebibyte);
  put("b", kMebibyte);
  std::vector<std::uint64_t> bytes;
  std::vector<std::string> paths;
  warmed("*", {}, [&](const WarmProgress& progress) {
    CHECK(progress.total == 3 * kMebibyte);
    bytes.push_back(progress.bytes);
    paths.push_back(progress.path.string());
  });
  REQUIRE(bytes.size() >= 2);
  CHECK(std::ranges::is_sorted(bytes));
  CHECK(bytes.back() == 3 * kMebibyte);
  CHECK(paths.front() == "a");
  CHECK(paths.back() == "b");
}

TEST_CASE_METHOD(WarmTest, "a requested stop ends it") {
  const auto path = put("a", 8 * kMebibyte);
  std::stop_source source;
  const auto report =
      warmed("a", {}, [&](const WarmProgress&) { source.request_stop(); }, source.get_token());
  CHECK(report.stopped_by == WarmStop::kCancel);
  CHECK(report.read_bytes == kMebibyte);
  CHECK(resident(path) == kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "a requested stop ends the waiting for a low rate") {
  put("a", 8 * kMebibyte);
  std::stop_source source;
  const auto report = warmed(
      "a", {.bytes_per_second = 100'000},
      [&](const WarmProgress& progress) {
        if (progress.bytes > 0) {
          source.request_stop();
        }
      },
      source.get_token());
  CHECK(report.stopped_by == WarmStop::kCancel);
  CHECK(report.read_bytes < kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "no more is read in a second than the rate says") {
  put("a", 2 * kMebibyte);
  const auto begin = std::chrono::steady_clock::now();
  warmed("a", {.bytes_per_second = 8 * kMebibyte});
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(250));
}

TEST_CASE_METHOD(WarmTest, "a file truncated while it is read is no failure") {
  const auto path = put("a", 8 * kMebibyte);
  put("b", kMebibyte);
  const auto report = warmed("*", {}, [&](const WarmProgress&) { test::resize(path, 10); });
  CHECK(report.failures.empty());
  CHECK_FALSE(report.stopped_by);
  CHECK(report.resident_bytes <= (9 * kMebibyte));
  CHECK(resident(path.parent_path() / "b") == kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "a file removed or replaced by a link while it is read is no failure") {
  put("a", 2 * kMebibyte);
  const auto b = put("b", kMebibyte);
  const auto report = warmed("*", {}, [&](const WarmProgress&) { fs::remove(b); });
  CHECK(report.failures.empty());
}

TEST_CASE_METHOD(WarmTest, "what the kernel dropped again is told") {
  const auto path = put("a", kMebibyte);
  const auto fd = test::open_file(path, O_RDONLY);
  put("b", kMebibyte);
  bool is_first = true;
  const auto report = warmed("*", {}, [&](const WarmProgress&) {
    if (is_first) {
      test::drop_from_memory(fd.get());
      is_first = false;
    }
  });
  CHECK(report.read_bytes == 2 * kMebibyte);
  CHECK(report.dropped_bytes == kMebibyte);
  CHECK(report.resident_bytes == kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "a file that can't be opened is a failure, the others are read") {
  const auto a = put("a", kMebibyte);
  const auto b = put("b", kMebibyte);
  fs::permissions(a, fs::perms::none);
  fs::permissions(a.parent_path(), fs::perms::all);
  if (::geteuid() != 0) {
    test::skip("only root can become somebody else");
  }
  const test::ForkedChild child([&] {
    if (::setresuid(65534, 65534, 65534) != 0) {
      return false;
    }
    const auto report = try_to_warm("*");
    return report && report->failures.size() == 1 &&
           report->failures.front().path.string() == "a" &&
           report->failures.front().error.code() == std::errc::permission_denied &&
           report->resident_bytes == kMebibyte;
  });
  CHECK(child.succeeded());
  CHECK(resident(b) == kMebibyte);
}

TEST_CASE_METHOD(WarmTest, "a pattern that matches nothing is an error") {
  CHECK(try_to_warm("none").error().code() == std::errc::no_such_file_or_directory);
}

TEST_CASE_METHOD(WarmTest, "an empty file is warm") {
  put("a", 0);
  CHECK(warmed("a").files == 1);
  CHECK(warmed("a").asked_bytes == 0);
}

TEST_CASE("what stops it has a name") {
  CHECK(name_of(WarmStop::kLimit) == "limit");
  CHECK(name_of(WarmStop::kMemory) == "memory");
  CHECK(name_of(WarmStop::kCancel) == "cancel");
}

}  // namespace
}  // namespace mmapdir
