// SPDX-License-Identifier: MIT
#include "mmapdir/pins.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "forked_child.h"
#include "memory_cgroup.h"
#include "mmapdir/residency.h"
#include "scratch.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;
constexpr uid_t kNobody = 65534;

// What the kernel counts as locked by this process.
std::uint64_t locked_bytes() {
  std::ifstream status("/proc/self/status");
  std::string name;
  std::uint64_t kibibytes = 0;
  while (status >> name) {
    if (name == "VmLck:") {
      status >> kibibytes;
      break;
    }
  }
  return kibibytes * 1024;
}

std::vector<PathPattern> patterns(std::initializer_list<std::string_view> texts) {
  std::vector<PathPattern> compiled;
  for (const auto text : texts) {
    auto pattern = PathPattern::compile(text);
    REQUIRE(pattern);
    compiled.push_back(*pattern);
  }
  return compiled;
}

using Rows = std::vector<std::string>;

class PinsTest {
 protected:
  PinsTest() {
    if (::geteuid() != 0) {
      test::skip("only root may lock as much as the tests do");
    }
  }

  fs::path put(const std::string& name, std::uint64_t pages) const {
    test::put_file(directory_ / name, std::string(pages * test::page_size(), 'x'));
    test::drop_from_memory(test::open_file(directory_ / name, O_RDONLY).get());
    return directory_ / name;
  }

  PinReport pin(std::initializer_list<std::string_view> texts,
                std::optional<std::uint64_t> budget = {}) {
    auto report = pins_.pin(patterns(texts), budget);
    REQUIRE(report);
    return *report;
  }

  PinTotals unpin(std::initializer_list<std::string_view> texts) {
    auto totals = pins_.unpin(patterns(texts));
    REQUIRE(totals);
    return *totals;
  }

  static std::string row(const PinnedFile& file) {
    return file.path.string() + " " + std::to_string(file.pinned_bytes / test::page_size()) + "/" +
           std::to_string(file.intended_bytes / test::page_size()) + " " + file.reason;
  }

  static Rows rows(const std::vector<PinnedFile>& files) {
    Rows rows;
    rows.reserve(files.size());
    for (const auto& file : files) {
      rows.push_back(row(file));
    }
    return rows;
  }

  Rows listed() const { return rows(pins_.list()); }

  Pins& pins() { return pins_; }
  MappingCache& cache() { return cache_; }
  int root() const { return root_.get(); }
  const fs::path& directory() const { return directory_.path(); }

 private:
  test::ScratchDirectory directory_;
  UniqueFd root_ = test::open_file(directory_.path(), O_PATH | O_DIRECTORY);
  MappingCache cache_;
  Pins pins_{root_.get(), cache_};
};

TEST_CASE_METHOD(PinsTest,
                 "pinned files are in memory, locked, and seen there by other processes") {
  const auto path = put("a.vec", 10);
  put("b.txt", 10);
  const auto report = pin({"*.vec"});
  CHECK(rows(report.files) == Rows{"a.vec 10/10 "});
  CHECK(report.files.front().pattern == "*.vec");
  CHECK(locked_bytes() == 10 * test::page_size());
  CHECK(pins().totals().files == 1);
  CHECK(pins().totals().pinned_bytes == 10 * test::page_size());
  const test::ForkedChild child([&] {
    const auto fd = test::open_file(path, O_RDONLY);
    const auto residency = residency_of(fd.get(), 1);
    return residency && residency->resident_bytes == 10 * test::page_size();
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(PinsTest, "unpinned files are locked no longer, by their pattern or another") {
  put("a.vec", 10);
  put("b.vec", 5);
  pin({"*.vec"});
  const auto released = unpin({"a*"});
  CHECK(released.files == 1);
  CHECK(released.pinned_bytes == 10 * test::page_size());
  CHECK(listed() == Rows{"b.vec 5/5 "});
  CHECK(locked_bytes() == 5 * test::page_size());
  pins().rescan();
  CHECK(listed() == Rows{"b.vec 5/5 "});
  CHECK(unpin({"*.vec"}).files == 1);
  CHECK(locked_bytes() == 0);
  CHECK(pins().unpin(patterns({"*.vec"})).error().code() == std::errc::no_such_file_or_directory);
}

TEST_CASE_METHOD(PinsTest, "what was unpinned can be pinned again") {
  put("a.vec", 10);
  pin({"*.vec"});
  unpin({"a*"});
  CHECK(rows(pin({"*.vec"}).files) == Rows{"a.vec 10/10 "});
}

TEST_CASE_METHOD(PinsTest, "a budget is used up in the patterns' order") {
  put("a.txt", 10);
  put("b.vec", 4);
  put("c.vec", 4);
  const auto report = pin({"*.vec", "*.txt"}, (11 * test::page_size()) + 1);
  CHECK(rows(report.files) == Rows{"b.vec 4/4 ", "c.vec 4/4 ", "a.txt 3/10 budget"});
  CHECK(locked_bytes() == 11 * test::page_size());
}

TEST_CASE_METHOD(PinsTest, "a pattern given again takes its files over, with a budget of its own") {
  put("a.vec", 10);
  pin({"*.vec"}, test::page_size());
  CHECK(rows(pin({"*.vec"}, 5 * test::page_size()).files) == Rows{"a.vec 5/10 budget"});
  CHECK(rows(pin({"*.vec"}).files) == Rows{"a.vec 10/10 "});
  CHECK(locked_bytes() == 10 * test::page_size());
}

TEST_CASE_METHOD(PinsTest, "a file that was pinned before belongs to the pattern that came first") {
  put("a.vec", 10);
  pin({"a.*"}, 2 * test::page_size());
  const auto report = pin({"*.vec"});
  CHECK(rows(report.files) == Rows{"a.vec 2/10 budget"});
  CHECK(report.files.front().pattern == "a.*");
}

TEST_CASE_METHOD(PinsTest, "a file replaced by rename is pinned anew, and the old one let go") {
  const auto path = put("a.vec", 10);
  pin({"*.vec"});
  const auto before = pins().list().front().inode;
  fs::rename(put("new", 3), path);
  pins().update(test::relative("a.vec"));
  CHECK(listed() == Rows{"a.vec 3/3 "});
  CHECK(pins().list().front().inode != before);
  CHECK(locked_bytes() == 3 * test::page_size());
  CHECK(cache().counters().mappings == 1);
}

TEST_CASE_METHOD(PinsTest, "a deleted file is let go, its mapping too") {
  const auto path = put("a.vec", 10);
  pin({"*.vec"});
  fs::remove(path);
  pins().update(test::relative("a.vec"));
  CHECK(listed().empty());
  CHECK(locked_bytes() == 0);
  CHECK(cache().counters().mappings == 0);
}

TEST_CASE_METHOD(PinsTest,
                 "a file that grows is pinned further, one that shrinks as far as it goes") {
  const auto path = put("a.vec", 10);
  pin({"*.vec"});
  test::resize(path, 12 * test::page_size());
  pins().update(test::relative("a.vec"));
  CHECK(listed() == Rows{"a.vec 12/12 "});
  CHECK(locked_bytes() == 12 * test::page_size());
  test::resize(path, 2 * test::page_size());
  pins().update(test::relative("a.vec"));
  CHECK(listed() == Rows{"a.vec 2/2 "});
}

TEST_CASE_METHOD(PinsTest, "a new file is pinned if a pattern matches it, another one isn't") {
  put("a.vec", 1);
  pin({"*.vec"});
  put("b.vec", 2);
  put("b.txt", 2);
  pins().update(test::relative("b.vec"));
  pins().update(test::relative("b.txt"));
  pins().update(test::relative("none.vec"));
  CHECK(listed() == Rows{"a.vec 1/1 ", "b.vec 2/2 "});
}

TEST_CASE_METHOD(PinsTest, "a rescan finds all that changed") {
  const auto a = put("a.vec", 1);
  const auto b = put("b.vec", 2);
  pin({"*.vec"});
  fs::remove(a);
  fs::rename(b, directory() / "c.vec");
  put("b.vec", 3);
  pins().rescan();
  CHECK(listed() == Rows{"b.vec 3/3 ", "c.vec 2/2 "});
  CHECK(locked_bytes() == 5 * test::page_size());
}

TEST_CASE_METHOD(PinsTest, "a rescan uses what has become free of a budget") {
  const auto a = put("a.vec", 4);
  put("b.vec", 4);
  pin({"*.vec"}, 6 * test::page_size());
  CHECK(listed() == Rows{"a.vec 4/4 ", "b.vec 2/4 budget"});
  fs::remove(a);
  pins().update(test::relative("a.vec"));
  pins().rescan();
  CHECK(listed() == Rows{"b.vec 4/4 "});
}

TEST_CASE_METHOD(PinsTest, "two names of one file keep it locked until the last is let go") {
  const auto a = put("a.vec", 4);
  fs::create_hard_link(a, directory() / "b.vec");
  pin({"*.vec"});
  unpin({"a.vec"});
  CHECK(locked_bytes() == 4 * test::page_size());
  unpin({"b.vec"});
  CHECK(locked_bytes() == 0);
}

TEST_CASE_METHOD(PinsTest, "pins go with their object, and leave readers their mappings") {
  const auto path = put("a.vec", 4);
  const auto fd = test::open_file(path, O_RDONLY);
  const auto reader = cache().acquire(fd.get());
  REQUIRE(reader);
  {
    Pins others(root(), cache());
    REQUIRE(others.pin(patterns({"*.vec"}), {}));
    CHECK(locked_bytes() == 4 * test::page_size());
  }
  CHECK(locked_bytes() == 0);
  CHECK((*reader)->bytes().front() == std::byte{'x'});
}

TEST_CASE_METHOD(PinsTest, "a pattern that matches nothing is an error, and pins nothing") {
  put("a.vec", 4);
  CHECK(pins().pin(patterns({"*.vec", "*.idx"}), {}).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(listed().empty());
}

TEST_CASE_METHOD(PinsTest, "RLIMIT_MEMLOCK bounds who has no privilege, and is the reason told") {
  put("a.vec", 40);
  fs::permissions(directory(), fs::perms::all);
  for (const std::uint64_t pages : {10U, 0U}) {
    const test::ForkedChild child([&] {
      const rlimit limit{.rlim_cur = pages * test::page_size(),
                         .rlim_max = pages * test::page_size()};
      if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) {
        return false;
      }
      const auto report = pins().pin(patterns({"*.vec"}), {});
      return report &&
             rows(report->files) == Rows{"a.vec " + std::to_string(pages) + "/40 RLIMIT_MEMLOCK"};
    });
    CHECK(child.succeeded());
  }
}

TEST_CASE_METHOD(PinsTest, "a file that can't be read isn't pinned, and the reason is told") {
  fs::permissions(put("a.vec", 4), fs::perms::none);
  fs::permissions(directory(), fs::perms::all);
  const test::ForkedChild child([&] {
    if (::setresuid(kNobody, kNobody, kNobody) != 0) {
      return false;
    }
    const auto report = pins().pin(patterns({"*.vec"}), {});
    return report && rows(report->files) == Rows{"a.vec 0/0 Permission denied"};
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(PinsTest, "a memory cgroup that is too small bounds the pins, and kills nobody") {
  test::put_file(directory() / "a.vec", "");
  test::resize(directory() / "a.vec", 64 * kMebibyte);
  const test::MemoryCgroup cgroup(48 * kMebibyte);
  const test::ForkedChild child([&] {
    if (!cgroup.join()) {
      return false;
    }
    const auto report = pins().pin(patterns({"*.vec"}), {});
    return report && report->files.front().reason == "memory cgroup" &&
           report->files.front().pinned_bytes > 0 &&
           report->files.front().pinned_bytes <= 32 * kMebibyte;
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(PinsTest, "pinned pages stay when others fill the memory") {
  const auto pinned = put("a.vec", 1024);
  const auto unpinned = put("b.txt", 1024);
  test::put_file(directory() / "large", "");
  test::resize(directory() / "large", 128 * kMebibyte);
  const test::MemoryCgroup cgroup(64 * kMebibyte);
  const test::ForkedChild child([&] {
    if (!cgroup.join() || !pins().pin(patterns({"*.vec"}), {})) {
      return false;
    }
    std::vector<char> buffer(kMebibyte);
    for (const auto& path : {unpinned, directory() / "large"}) {
      const auto fd = test::open_file(path, O_RDONLY);
      while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {
      }
    }
    const auto resident = [](const fs::path& path) {
      return residency_of(test::open_file(path, O_RDONLY).get(), 1).value().resident_bytes;
    };
    return resident(pinned) == 1024 * test::page_size() &&
           resident(unpinned) < 1024 * test::page_size();
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(PinsTest, "pins are listed while others pin, replace and unpin") {
  const auto path = put("a.vec", 4);
  pin({"*.vec"});
  std::jthread changer([&] {
    for (int i = 0; i < 50; ++i) {
      test::put_file(directory() / "new", std::string(test::page_size(), 'x'));
      fs::rename(directory() / "new", path);
      pins().update(test::relative("a.vec"));
    }
  });
  std::size_t most = 0;
  for (int i = 0; i < 50; ++i) {
    most = std::max({most, pins().list().size(), pins().totals().files});
    pins().rescan();
  }
  changer.join();
  CHECK(most == 1);
  CHECK(listed() == Rows{"a.vec 1/1 "});
}

}  // namespace
}  // namespace mmapdir
