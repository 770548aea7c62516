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
  check_model({.options = path, .mappings = Mappings::kShared, .clients = {std::nullopt}},
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

TEST_CASE("A program that takes O_APPEND away from an open file writes where it says", "[found]") {
  const ReadPath path = each_read_path();
  check_found_case(path, {{.kind = "open", .path = "a", .number = kAppend},
                          {.kind = "pwrite", .length = 10'000},
                          {.kind = kClearAppend},
                          {.kind = "pwrite", .offset = 3'000, .length = 500},
                          {.kind = "set append"},
                          {.kind = "pwrite", .offset = 3'000, .length = 500}});
}

}  // namespace
}  // namespace mmapdir::test
