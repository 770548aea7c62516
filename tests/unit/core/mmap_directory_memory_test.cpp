// SPDX-License-Identifier: MIT
//
// What MmapDirectory adds to the functions that it calls: paths, advice by pattern, lifetimes.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mmapdir/advice_rules.h"
#include "mmapdir/mmap_directory.h"
#include "scratch.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;

PathPattern pattern(std::string_view text) {
  auto compiled = PathPattern::compile(text);
  REQUIRE(compiled);
  return *compiled;
}

class MmapDirectoryMemoryTest {
 protected:
  MmapDirectory open() const {
    auto directory = MmapDirectory::open(directory_.path());
    REQUIRE(directory);
    return *directory;
  }

  // With nothing of it in memory.
  RelativePath put(const std::string& name, std::uint64_t size) const {
    test::put_file(directory_ / name, std::string(size, 'x'));
    test::drop_from_memory(test::open_file(directory_ / name, O_RDONLY).get());
    return test::relative(name);
  }

  static std::uint64_t resident(const MmapDirectory& directory, const RelativePath& path) {
    const auto residency = directory.residency(path);
    REQUIRE(residency);
    return residency->resident_bytes;
  }

  static std::string flags_of(const MmapDirectory& directory, const RelativePath& path) {
    const auto file = directory.open_read(path);
    REQUIRE(file);
    const auto bytes = file->read_all();
    REQUIRE(bytes);
    return test::mapping_flags_at(bytes->bytes().data());
  }

  fs::path operator/(std::string_view name) const { return directory_ / name; }

 private:
  test::ScratchDirectory directory_;
};

TEST_CASE_METHOD(MmapDirectoryMemoryTest, "a file's residency is asked by its path") {
  const auto directory = open();
  const auto path = put("a", 4 * test::page_size());
  CHECK(resident(directory, path) == 0);
  CHECK(directory.residency(path, 4).value().cells == std::vector<std::uint8_t>(4, 0));
  CHECK(directory.residency(test::relative("none")).error().code() ==
        std::errc::no_such_file_or_directory);
  CHECK(directory.residency({}).error().code() == std::errc::is_a_directory);
}

TEST_CASE_METHOD(MmapDirectoryMemoryTest, "a part that is prefetched comes into memory") {
  const auto directory = open();
  const auto path = put("a", 16 * test::page_size());
  REQUIRE(directory.prefetch(path, {.offset = 0, .length = 0}));
  CHECK(resident(directory, path) == 0);
  REQUIRE(directory.prefetch(path, {.offset = 0, .length = 16 * test::page_size()}));
  CHECK(resident(directory, path) == 16 * test::page_size());
  CHECK(directory.prefetch(path, {.offset = 1, .length = 16 * test::page_size()}).error().code() ==
        std::errc::invalid_argument);
}

TEST_CASE_METHOD(MmapDirectoryMemoryTest, "a file is mapped with the advice of its pattern") {
  auto directory = open();
  const auto vectors = put("a.vec", test::page_size());
  const auto text = put("a.txt", test::page_size());
  REQUIRE(directory.advise_pattern("*.vec", Advice::kRandom));
  CHECK(flags_of(directory, vectors).contains(" rr "));
  CHECK_FALSE(flags_of(directory, text).contains(" rr "));
  const auto lazy = directory.open_lazy(put("b.vec", test::page_size()));
  REQUIRE(lazy);
  const auto bytes = lazy->read_range({.offset = 0, .length = 1});
  REQUIRE(bytes);
  CHECK(test::mapping_flags_at(bytes->bytes().data()).contains(" rr "));
  CHECK(directory.advise_pattern("[", Advice::kRandom).error().code() ==
        std::errc::invalid_argument);
}

TEST_CASE_METHOD(MmapDirectoryMemoryTest, "advice on a path lasts while the file is mapped") {
  const auto directory = open();
  const auto path = put("a", test::page_size());
  REQUIRE(directory.advise(path, {.offset = 0, .length = test::page_size()}, Advice::kRandom));
  CHECK(flags_of(directory, path).contains(" rr "));
  CHECK(directory.advise(path, {.offset = 0, .length = test::page_size() + 1}, Advice::kRandom)
            .error()
            .code() == std::errc::invalid_argument);
}

TEST_CASE_METHOD(MmapDirectoryMemoryTest,
                 "files are warmed, and the hot set kept, by the directory") {
  const auto directory = open();
  const auto path = put("a.vec", 4 * test::page_size());
  REQUIRE(directory.warm({pattern("*.vec")}));
  CHECK(resident(directory, path) == 4 * test::page_size());
  const test::ScratchDirectory elsewhere;
  REQUIRE(directory.save_hot_set(elsewhere / "hot"));
  test::drop_from_memory(test::open_file(*this / "a.vec", O_RDONLY).get());
  REQUIRE(directory.load_hot_set(elsewhere / "hot"));
  CHECK(resident(directory, path) == 4 * test::page_size());
}

TEST_CASE_METHOD(MmapDirectoryMemoryTest, "copies of a directory share its pins") {
  auto first = std::make_unique<MmapDirectory>(open());
  const auto second = *first;
  put("a.vec", 4 * test::page_size());
  REQUIRE(first->pins().pin({pattern("*.vec")}, {}));
  first.reset();
  CHECK(second.pins().totals().files == 1);
  CHECK(second.pins().totals().intended_bytes == 4 * test::page_size());
}

TEST_CASE("of several rules for a path the last one counts") {
  const std::vector<AdviceRule> rules{
      {.pattern = pattern("*.vec"), .advice = Advice::kRandom},
      {.pattern = pattern("cold/**"), .advice = Advice::kSequential},
  };
  CHECK(advice_for(rules, "a.vec") == Advice::kRandom);
  CHECK(advice_for(rules, "cold/a.vec") == Advice::kSequential);
  CHECK(advice_for(rules, "a.txt") == Advice::kNormal);
  CHECK(advice_for({}, "a.vec") == Advice::kNormal);
}

}  // namespace
}  // namespace mmapdir
