// SPDX-License-Identifier: MIT
#include "mmapdir/residency.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "detached_mount.h"
#include "forked_child.h"
#include "scratch.h"
#include "src/resident_pages.h"

namespace mmapdir {
namespace {

constexpr uid_t kNobody = 65534;

// A file of whole and part pages of which only those are in memory that a test wants there.
class ResidencyTest {
 protected:
  UniqueFd file_of(std::uint64_t size) const {
    test::put_file(path(), std::string(size, 'x'));
    auto fd = test::open_file(path(), O_RDONLY);
    test::drop_from_memory(fd.get());
    return fd;
  }

  // One page, without what the kernel would read ahead.
  static void read_page(int fd, std::uint64_t page) {
    REQUIRE(::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0);
    char byte = 0;
    test::must(::pread(fd, &byte, 1, static_cast<off_t>(page * test::page_size())), "pread");
  }

  static Residency residency(const ResidentPages& pages, std::size_t cells) {
    auto residency = residency_from(pages, cells);
    REQUIRE(residency);
    return *residency;
  }

  static std::vector<ByteRange> ranges(const ResidentPages& pages) {
    auto ranges = ranges_from(pages);
    REQUIRE(ranges);
    return *ranges;
  }

  // Either way of asking has to give the same answers.
  static ResidentPages pages_of(int fd) {
    const auto source = GENERATE(ResidencySource::kCachestat, ResidencySource::kMincore);
    auto pages =
        source == ResidencySource::kMincore ? ResidentPages::by_mincore(fd) : ResidentPages::of(fd);
    REQUIRE(pages);
    if (pages->source() != source) {
      test::skip("cachestat needs Linux 6.5");
    }
    return *pages;
  }

  std::filesystem::path path() const { return directory_ / "file"; }

 private:
  test::ScratchDirectory directory_;
};

TEST_CASE_METHOD(ResidencyTest, "nothing of a file is in memory before it is read") {
  const auto fd = file_of(10 * test::page_size());
  const auto pages = pages_of(fd.get());
  const auto none = residency(pages, 5);
  CHECK(none.resident_bytes == 0);
  CHECK(none.size == 10 * test::page_size());
  CHECK(none.page_size == test::page_size());
  CHECK(none.cells == std::vector<std::uint8_t>(5, 0));
  CHECK(ranges(pages).empty());
}

TEST_CASE_METHOD(ResidencyTest, "each page read is counted in its cell") {
  const auto fd = file_of(10 * test::page_size());
  for (const std::uint64_t page : {2U, 3U, 7U}) {
    read_page(fd.get(), page);
  }
  const auto pages = pages_of(fd.get());
  const auto some = residency(pages, 5);
  CHECK(some.resident_bytes == 3 * test::page_size());
  CHECK(some.cells == std::vector<std::uint8_t>{0, 100, 0, 50, 0});
  CHECK(ranges(pages) ==
        std::vector<ByteRange>{{.offset = 2 * test::page_size(), .length = 2 * test::page_size()},
                               {.offset = 7 * test::page_size(), .length = test::page_size()}});
}

TEST_CASE_METHOD(ResidencyTest, "the last page counts as far as the file goes") {
  const auto size = (2 * test::page_size()) + 10;
  const auto fd = file_of(size);
  for (const std::uint64_t page : {0U, 1U, 2U}) {
    read_page(fd.get(), page);
  }
  const auto pages = pages_of(fd.get());
  CHECK(residency(pages, 64).resident_bytes == size);
  CHECK(residency(pages, 64).cells == std::vector<std::uint8_t>{100, 100, 100});
  CHECK(ranges(pages) == std::vector<ByteRange>{{.offset = 0, .length = size}});
}

TEST_CASE_METHOD(ResidencyTest, "a cell is empty or full only if all of it is") {
  const auto fd = file_of(1000 * test::page_size());
  read_page(fd.get(), 500);
  const auto pages = pages_of(fd.get());
  CHECK(residency(pages, 1).cells == std::vector<std::uint8_t>{1});
  for (std::uint64_t page = 1; page < 1000; ++page) {
    read_page(fd.get(), page);
  }
  CHECK(residency(pages, 1).cells == std::vector<std::uint8_t>{99});
}

TEST_CASE_METHOD(ResidencyTest, "cells divide a file that they don't fit evenly") {
  const auto fd = file_of(7 * test::page_size());
  read_page(fd.get(), 6);
  const auto pages = pages_of(fd.get());
  CHECK(residency(pages, 3).cells == std::vector<std::uint8_t>{0, 0, 33});
  CHECK(residency(pages, 0).cells.size() == 1);
}

TEST_CASE_METHOD(ResidencyTest, "an empty file has no cells") {
  const auto fd = file_of(0);
  const auto pages = pages_of(fd.get());
  CHECK(residency(pages, 64).cells.empty());
  CHECK(residency(pages, 64).resident_bytes == 0);
  CHECK(ranges(pages).empty());
}

TEST_CASE_METHOD(ResidencyTest, "a sparse file of many gigabytes is looked at in little memory") {
  constexpr std::uint64_t kSize = std::uint64_t{32} << 30U;
  const auto fd = file_of(0);
  test::resize(path(), kSize);
  read_page(fd.get(), (kSize / test::page_size()) - 1);
  const auto pages = pages_of(fd.get());
  rusage before{};
  test::must(::getrusage(RUSAGE_SELF, &before), "getrusage");
  CHECK(residency(pages, 64).resident_bytes == test::page_size());
  CHECK(residency(pages, 64).cells.back() == 1);
  CHECK(ranges(pages) ==
        std::vector<ByteRange>{{.offset = kSize - test::page_size(), .length = test::page_size()}});
  rusage after{};
  test::must(::getrusage(RUSAGE_SELF, &after), "getrusage");
  CHECK(after.ru_maxrss - before.ru_maxrss < 4L * 1024);  // in KiB; a byte a page were 8 MiB
}

TEST_CASE_METHOD(ResidencyTest,
                 "a file truncated while it is looked at has fewer pages in memory") {
  const auto fd = file_of(10 * test::page_size());
  for (std::uint64_t page = 0; page < 10; ++page) {
    read_page(fd.get(), page);
  }
  const auto pages = pages_of(fd.get());
  test::resize(path(), 4 * test::page_size());
  CHECK(residency(pages, 5).cells == std::vector<std::uint8_t>{100, 100, 0, 0, 0});
  CHECK(ranges(pages) == std::vector<ByteRange>{{.offset = 0, .length = 4 * test::page_size()}});
}

TEST_CASE_METHOD(ResidencyTest, "a file that one may neither own nor write isn't told of") {
  if (::geteuid() != 0) {
    test::skip("only root can become somebody else");
  }
  const auto fd = file_of(test::page_size());
  const test::ForkedChild child([&] {
    if (::setresuid(kNobody, kNobody, kNobody) != 0) {
      return false;
    }
    const auto refused = residency_of(fd.get(), 1);
    return !refused && refused.error().code() == std::errc::operation_not_permitted;
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(ResidencyTest, "what can't be cached by pages is an error") {
  CHECK(residency_of(test::open_file("/dev/null", O_RDONLY).get(), 1).error().code() ==
        std::errc::no_such_device);
  CHECK(residency_of(-1, 1).error().code() == std::errc::bad_file_descriptor);
}

TEST_CASE("a file of tmpfs is in memory where it was written") {
  const test::DetachedMount tmpfs("tmpfs", {});
  const auto path = tmpfs.path() / "file";
  test::put_file(path, "");
  test::resize(path, 8 * test::page_size());
  const auto fd = test::open_file(path, O_RDWR);
  test::must(::pwrite(fd.get(), "x", 1, static_cast<off_t>(5 * test::page_size())), "pwrite");
  const auto ranges = resident_ranges(fd.get());
  REQUIRE(ranges);
  CHECK(*ranges ==
        std::vector<ByteRange>{{.offset = 5 * test::page_size(), .length = test::page_size()}});
}

TEST_CASE("a file of an overlay is asked by mincore, as its pages are another file's") {
  const test::ScratchDirectory layers;
  for (const auto* const name : {"lower", "upper", "work"}) {
    std::filesystem::create_directory(layers / name);
  }
  test::put_file(layers / "lower/file", std::string(3 * test::page_size(), 'x'));
  const test::DetachedMount overlay("overlay", {{"lowerdir", layers / "lower"},
                                                {"upperdir", layers / "upper"},
                                                {"workdir", layers / "work"}});
  const auto residency = residency_of(test::open_file(overlay.path() / "file", O_RDONLY).get(), 1);
  REQUIRE(residency);
  CHECK(residency->source == ResidencySource::kMincore);
  CHECK(residency->resident_bytes == 3 * test::page_size());
}

TEST_CASE("a source of residency has a name") {
  CHECK(name_of(ResidencySource::kCachestat) == "cachestat");
  CHECK(name_of(ResidencySource::kMincore) == "mincore");
}

}  // namespace
}  // namespace mmapdir
