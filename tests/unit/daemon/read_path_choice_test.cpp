// SPDX-License-Identifier: MIT
#include "read_path_choice.h"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr mmapdir::MappingLimits kAmple{.max_mappings = 10, .max_bytes = std::uint64_t{1} << 30U};
constexpr mmapdir::MappingLimits kNone{.max_mappings = 0, .max_bytes = 0};

struct Machine {
  explicit Machine(const mmapdir::MappingLimits& limits = kAmple) : cache(limits) {
    write_file(directory / "file", "bytes");
  }

  auto choose(std::optional<ReadPath> asked, bool kernel_offers_passthrough) {
    return choose_read_path(asked, kernel_offers_passthrough, root.get(), registry, cache);
  }

  TemporaryDirectory directory;
  UniqueFd root = open_directory(directory.path());
  FakeRegistry registry;
  mmapdir::MappingCache cache;
};

TEST_CASE("Unasked, passthrough is chosen where it works, and there is nothing to advise",
          "[choice]") {
  Machine machine;
  const auto choice = machine.choose(std::nullopt, true);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kPassthrough);
  CHECK(choice->advice.empty());
  CHECK(machine.registry.registered() == 1);
  CHECK(machine.registry.open_now() == 0);  // it was only a trial
}

TEST_CASE("Unasked, mapped is chosen where the kernel lacks passthrough, and the advice says so",
          "[choice]") {
  Machine machine;
  const auto choice = machine.choose(std::nullopt, false);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kMapped);
  CHECK(choice->advice.contains("passthrough would be faster"));
  CHECK(choice->advice.contains("Linux 6.9"));
  CHECK(machine.registry.registered() == 0);
}

TEST_CASE("Without the privilege for passthrough the advice names it", "[choice]") {
  Machine machine;
  machine.registry.refuse_with(EPERM);
  const auto choice = machine.choose(std::nullopt, true);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kMapped);
  CHECK(choice->advice.contains("CAP_SYS_ADMIN"));
}

TEST_CASE("On stacked file systems the advice names the stack", "[choice]") {
  Machine machine;
  machine.registry.refuse_with(ELOOP);
  const auto choice = machine.choose(std::nullopt, true);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kMapped);
  CHECK(choice->advice.contains("stacked"));
}

TEST_CASE("Any other refusal is passed on in the system's words", "[choice]") {
  Machine machine;
  machine.registry.refuse_with(ENOMEM);
  CHECK(machine.choose(std::nullopt, true).value().advice.contains("Cannot allocate memory"));
}

TEST_CASE("Unasked, where nothing can be mapped either, plain is chosen with both reasons",
          "[choice]") {
  Machine machine(kNone);
  const auto choice = machine.choose(std::nullopt, false);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kPlain);
  CHECK(choice->advice.contains("passthrough would be faster"));
  CHECK(choice->advice.contains("mapping would be faster"));
}

TEST_CASE("Passthrough asked for by name is had or refused with the reason", "[choice]") {
  Machine machine;
  CHECK(machine.choose(ReadPath::kPassthrough, true).value().path == ReadPath::kPassthrough);

  const auto without_kernel = machine.choose(ReadPath::kPassthrough, false);
  REQUIRE_FALSE(without_kernel);
  CHECK(without_kernel.error().message.contains("--read-path=passthrough"));
  CHECK(without_kernel.error().message.contains("Linux 6.9"));

  machine.registry.refuse_with(EPERM);
  const auto without_privilege = machine.choose(ReadPath::kPassthrough, true);
  REQUIRE_FALSE(without_privilege);
  CHECK(without_privilege.error().message.contains("--read-path=passthrough"));
  CHECK(without_privilege.error().message.contains("CAP_SYS_ADMIN"));
}

TEST_CASE("Mapped asked for by name is had or refused with the reason", "[choice]") {
  Machine machine;
  const auto choice = machine.choose(ReadPath::kMapped, true);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kMapped);
  CHECK(choice->advice.empty());
  CHECK(machine.registry.registered() == 0);

  Machine poor(kNone);
  const auto refused = poor.choose(ReadPath::kMapped, true);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.contains("--read-path=mapped"));
}

TEST_CASE("Plain asked for by name is had without trying anything", "[choice]") {
  Machine machine(kNone);
  const auto choice = machine.choose(ReadPath::kPlain, true);
  REQUIRE(choice);
  CHECK(choice->path == ReadPath::kPlain);
  CHECK(choice->advice.empty());
  CHECK(machine.registry.registered() == 0);
  CHECK(machine.cache.counters().refusals == 0);
}

TEST_CASE("A source without regular files at its top is judged by another file", "[choice]") {
  Machine machine;
  std::filesystem::remove(machine.directory / "file");
  write_file(machine.directory / "empty", "");
  std::filesystem::create_directory(machine.directory / "directory");
  std::filesystem::create_symlink("/etc/passwd", machine.directory / "link");
  CHECK(machine.choose(std::nullopt, true).value().path == ReadPath::kPassthrough);
  CHECK(machine.choose(std::nullopt, false).value().path == ReadPath::kMapped);
}

TEST_CASE("Each read path has the name that the option takes", "[choice]") {
  CHECK(std::string(name_of(ReadPath::kPassthrough)) == "passthrough");
  CHECK(std::string(name_of(ReadPath::kMapped)) == "mapped");
  CHECK(std::string(name_of(ReadPath::kPlain)) == "plain");
}

}  // namespace
}  // namespace mmapdirfs::test
