// SPDX-License-Identifier: MIT
// What the random operations have found before.

#include <catch2/catch_test_macros.hpp>

#include "check_model.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr std::uint64_t kReadWriteCreate = 1;  // numbers of "open"
constexpr std::uint64_t kAppend = 2;

void check_found_case(const ReadPath& path, const std::vector<Operation>& operations) {
  require_root();
  check_model(
      {.options = path, .mappings = Mappings::kShared, .clients = {std::nullopt, std::nullopt}},
      operations);
}

TEST_CASE("Pages of a mapping made by an appending handle are written where they belong",
          "[found]") {
  check_found_case(each_read_path(),
                   {{.kind = "open", .slot = 1, .path = "a", .number = kAppend},
                    {.kind = "open", .slot = 2, .path = "a", .number = kReadWriteCreate},
                    {.kind = "map", .slot = 1, .other = 0, .number = 1},
                    {.kind = "pwrite", .slot = 2, .offset = 8'192, .length = 150'000},
                    {.kind = "write mapped", .other = 0, .offset = 4'562, .length = 3'000}});
}

// The last close of the first file is told when the child is gone.
TEST_CASE("A late close leaves what was locked since by way of another handle", "[found]") {
  constexpr std::uint64_t kExclusive = 1;  // of "lock range"
  check_found_case(
      each_read_path(),
      {{.kind = "open", .slot = 0, .path = "a", .number = kReadWriteCreate},
       {.kind = "lock range", .slot = 0, .length = 10, .number = kExclusive},
       {.kind = kFork},
       {.kind = "close", .slot = 0},
       {.kind = "open", .slot = 1, .path = "a", .number = kReadWriteCreate},
       {.kind = "lock range", .slot = 1, .length = 10, .number = kExclusive},
       {.kind = kEndChild},
       {.kind = "open", .client = 1, .slot = 0, .path = "a", .number = kReadWriteCreate},
       {.kind = "lock range", .client = 1, .slot = 0, .length = 10, .number = kExclusive}});
}

TEST_CASE("What is mounted within stays where the mount's cache is cleared", "[found]") {
  check_found_case(each_read_path(), {{.kind = "make directory", .path = "d"},
                                      {.kind = "mount within", .path = "d"},
                                      {.kind = kForget},
                                      {.kind = "open", .path = "d/a", .number = kReadWriteCreate},
                                      {.kind = kCompare}});
}

TEST_CASE("A program that takes O_APPEND away from an open file writes where it says", "[found]") {
  check_found_case(each_read_path(), {{.kind = "open", .path = "a", .number = kAppend},
                                      {.kind = "pwrite", .length = 10'000},
                                      {.kind = "clear append"},
                                      {.kind = "pwrite", .offset = 3'000, .length = 500},
                                      {.kind = "set append"},
                                      {.kind = "pwrite", .offset = 3'000, .length = 500}});
}

}  // namespace
}  // namespace mmapdir::test
