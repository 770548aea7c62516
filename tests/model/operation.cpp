// SPDX-License-Identifier: MIT
#include "operation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "world.h"

namespace mmapdir::test {
namespace {

// Few, so that they meet.
constexpr std::array kPaths{"a",     "a",      "b",   "b",    "c",     "f",   "g",
                            "d",     "e",      "d/a", "d/b",  "d/c",   "d/d", "d/d/a",
                            "d/d/b", "d/d/c",  "e/a", "e/b",  "e/c",   "e/d", "e/d/a",
                            ".",     "d/../a", "a/b", "no/a", "\xff\n"};

constexpr std::size_t kPage = 4096;

off_t random_offset(Random& random) {
  const std::size_t offset = random.below(random.one_in(8) ? 400'000 : 20'000);
  return static_cast<off_t>(random.one_in(3) ? offset / kPage * kPage : offset);
}

std::size_t random_length(Random& random) {
  constexpr std::array<std::size_t, 16> kBounds{1,      300,    300,    300,    300,    300,
                                                300,    300,    300,    300,    10'000, 10'000,
                                                10'000, 10'000, 10'000, 300'000};
  return random.below(random.pick(kBounds));
}

Kinds make_kinds(Mappings mappings) {
  Kinds kinds{{.name = kCrash, .weight = 2, .carry_out = nullptr},
              {.name = kForget, .weight = 3, .carry_out = nullptr},
              {.name = kFork, .weight = 4, .carry_out = nullptr},
              {.name = kEndChild, .weight = 8, .carry_out = nullptr},
              {.name = kCompare, .weight = 10, .carry_out = nullptr}};
  add_file_operations(kinds);
  add_name_operations(kinds);
  add_attribute_operations(kinds);
  add_direct_operations(kinds);
  add_handle_operations(kinds);
  add_mount_operations(kinds);
  add_lock_operations(kinds);
  if (mappings == Mappings::kShared) {
    add_mapping_operations(kinds);
  }
  return kinds;
}

}  // namespace

const Kinds& kinds_of(Mappings mappings) {
  static const Kinds without = make_kinds(Mappings::kNone);
  static const Kinds with = make_kinds(Mappings::kShared);
  return mappings == Mappings::kNone ? without : with;
}

std::vector<Operation> random_operations(std::uint64_t seed, std::size_t count, unsigned clients,
                                         Mappings mappings, const Choice& choice) {
  Random random(seed);
  std::vector<const Kind*> wheel;
  for (const Kind& kind : kinds_of(mappings)) {
    if (std::ranges::find(choice.left_out, kind.name) == choice.left_out.end()) {
      wheel.insert(wheel.end(), kind.weight, &kind);
    }
  }
  const std::vector<const char*> paths =
      choice.paths.empty() ? std::vector<const char*>(kPaths.begin(), kPaths.end()) : choice.paths;
  std::vector<Operation> operations;
  operations.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Operation operation{.kind = random.pick(wheel)->name};
    operation.client = static_cast<unsigned>(random.below(clients));
    operation.slot = static_cast<unsigned>(random.below(World::kSlots));
    operation.other = static_cast<unsigned>(random.below(World::kSlots));
    operation.path = random.pick(paths);
    operation.target = random.pick(paths);
    operation.offset = random_offset(random);
    operation.length = random_length(random);
    operation.number = random.below(1'000'000);
    operations.push_back(operation);
  }
  return operations;
}

std::string to_string(const Operation& operation) {
  const auto quoted = [](const char* text) {
    return std::string_view(text) == "\xff\n" ? std::string(R"("\xff\n")")
                                              : fmt::format("\"{}\"", text);
  };
  return fmt::format(
      "{{.kind = \"{}\", .client = {}, .slot = {}, .other = {}, .path = {}, .target = {}, .offset "
      "= {}, "
      ".length = {}, .number = {}}},",
      operation.kind, operation.client, operation.slot, operation.other, quoted(operation.path),
      quoted(operation.target), operation.offset, operation.length, operation.number);
}

}  // namespace mmapdir::test
