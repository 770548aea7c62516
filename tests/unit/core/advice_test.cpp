// SPDX-License-Identifier: MIT
#include "mmapdir/advice.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "mmapdir/mapping_cache.h"
#include "mmapdir/residency.h"
#include "scratch.h"

namespace mmapdir {
namespace {

class AdviceTest {
 protected:
  UniqueFd file_of(std::uint64_t size) const {
    test::put_file(directory_ / "file", std::string(size, 'x'));
    return test::open_file(directory_ / "file", O_RDONLY);
  }

  static MappingRef map(MappingCache& cache, int fd, Advice advice = Advice::kNormal) {
    auto mapping = cache.acquire(fd, advice);
    REQUIRE(mapping);
    return *mapping;
  }

  static std::uint64_t resident_bytes(int fd) {
    const auto residency = residency_of(fd, 1);
    REQUIRE(residency);
    return residency->resident_bytes;
  }

  static ByteRange all_of(const Mapping& mapping) {
    return {.offset = 0, .length = mapping.bytes().size()};
  }

 private:
  test::ScratchDirectory directory_;
};

TEST_CASE("every advice has a name, and is found by it") {
  for (const auto advice : {Advice::kNormal, Advice::kRandom, Advice::kSequential,
                            Advice::kWillNeed, Advice::kDontNeed}) {
    CHECK(advice_of_name(name_of(advice)) == advice);
  }
  CHECK(advice_of_name("random") == Advice::kRandom);
  CHECK_FALSE(advice_of_name("Random"));
  CHECK_FALSE(advice_of_name(""));
}

TEST_CASE_METHOD(AdviceTest, "advice on a mapping reaches the kernel, and is taken back") {
  MappingCache cache;
  const auto mapping = map(cache, file_of(10 * test::page_size()).get());
  const auto* const begin = mapping->bytes().data();
  REQUIRE(advise(*mapping, all_of(*mapping), Advice::kRandom));
  CHECK(test::mapping_flags_at(begin).contains(" rr "));
  REQUIRE(advise(*mapping, all_of(*mapping), Advice::kSequential));
  CHECK(test::mapping_flags_at(begin).contains(" sr "));
  REQUIRE(advise(*mapping, all_of(*mapping), Advice::kNormal));
  CHECK_FALSE(test::mapping_flags_at(begin).contains(" rr "));
  CHECK_FALSE(test::mapping_flags_at(begin).contains(" sr "));
}

TEST_CASE_METHOD(AdviceTest, "advice on a part of a mapping concerns the pages that it touches") {
  MappingCache cache;
  const auto mapping = map(cache, file_of(3 * test::page_size()).get());
  const auto* const begin = mapping->bytes().data();
  REQUIRE(advise(*mapping, {.offset = test::page_size() + 5, .length = 1}, Advice::kRandom));
  CHECK_FALSE(test::mapping_flags_at(begin).contains(" rr "));
  CHECK(test::mapping_flags_at(begin + test::page_size()).contains(" rr "));
  CHECK_FALSE(test::mapping_flags_at(begin + (2 * test::page_size())).contains(" rr "));
}

TEST_CASE_METHOD(AdviceTest, "advice beyond the end of a mapping is refused") {
  MappingCache cache;
  const auto mapping = map(cache, file_of(10).get());
  CHECK(advise(*mapping, {.offset = 0, .length = 11}, Advice::kRandom).error().code() ==
        std::errc::invalid_argument);
  CHECK(advise(*mapping, {.offset = ~0ULL, .length = 2}, Advice::kRandom).error().code() ==
        std::errc::invalid_argument);
  CHECK(advise(*mapping, {.offset = 10, .length = 0}, Advice::kRandom));
}

TEST_CASE_METHOD(AdviceTest, "a cache gives its advice to a file when it maps it, and only then") {
  MappingCache cache;
  const auto fd = file_of(test::page_size());
  const auto random = map(cache, fd.get(), Advice::kRandom);
  CHECK(test::mapping_flags_at(random->bytes().data()).contains(" rr "));
  const auto found = map(cache, fd.get(), Advice::kSequential);
  CHECK(test::mapping_flags_at(found->bytes().data()).contains(" rr "));
}

TEST_CASE_METHOD(AdviceTest, "a range of a descriptor that isn't needed is dropped from memory") {
  const auto fd = file_of(64 * test::page_size());
  test::must(::fsync(fd.get()), "fsync");  // only clean pages can be dropped
  CHECK(resident_bytes(fd.get()) == 64 * test::page_size());
  REQUIRE(advise_file(fd.get(), {.offset = 0, .length = 0}, Advice::kDontNeed));
  CHECK(resident_bytes(fd.get()) == 0);
}

TEST_CASE_METHOD(AdviceTest, "what is said to be needed comes into memory, all of a large range") {
  constexpr std::uint64_t kSize = std::uint64_t{8} << 20U;  // far above what is read ahead at once
  const bool by_mapping = GENERATE(true, false);
  const auto fd = file_of(kSize);
  MappingCache cache;
  const auto mapping = map(cache, fd.get());
  test::drop_from_memory(fd.get());
  const auto range = all_of(*mapping);
  REQUIRE((by_mapping ? advise(*mapping, range, Advice::kWillNeed)
                      : advise_file(fd.get(), range, Advice::kWillNeed)));
  CHECK(resident_bytes(fd.get()) == kSize);  // pages count from when their reading begins
}

TEST_CASE_METHOD(AdviceTest, "random advice on a descriptor keeps the kernel from reading ahead") {
  const auto fd = file_of(64 * test::page_size());
  test::drop_from_memory(fd.get());
  REQUIRE(advise_file(fd.get(), {.offset = 0, .length = 0}, Advice::kRandom));
  char byte = 0;
  test::must(::pread(fd.get(), &byte, 1, 0), "pread");
  CHECK(resident_bytes(fd.get()) == test::page_size());
}

TEST_CASE_METHOD(AdviceTest, "advice for a descriptor ends with the file") {
  const auto fd = file_of(10);
  CHECK(advise_file(fd.get(), {.offset = 0, .length = ~0ULL}, Advice::kWillNeed));
  CHECK(advise_file(fd.get(), {.offset = ~0ULL, .length = 5}, Advice::kWillNeed));
  CHECK(advise_file(file_of(0).get(), {.offset = 0, .length = 0}, Advice::kRandom));
}

TEST_CASE_METHOD(AdviceTest, "a descriptor that can't be advised is an error") {
  std::array<int, 2> ends{};
  test::must(::pipe2(ends.data(), O_CLOEXEC), "pipe");
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  CHECK(advise_file(reader.get(), {.offset = 0, .length = 0}, Advice::kRandom).error().code() ==
        std::errc::invalid_seek);
}

}  // namespace
}  // namespace mmapdir
