// SPDX-License-Identifier: MIT
#include "mmapdir/guarded_copy.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstddef>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "bus_error_probe.h"
#include "scratch.h"

namespace mmapdir {
namespace {

using test::must;
using test::page_size;

// Two pages of a file, mapped.
class MappedPages {
 public:
  MappedPages() {
    test::put_file(path_, std::string(size(), 'x'));
    const auto fd = test::open_file(path_, O_RDONLY);
    address_ = ::mmap(nullptr, size(), PROT_READ, MAP_SHARED, fd.get(), 0);
    REQUIRE(address_ != MAP_FAILED);
  }
  MappedPages(const MappedPages&) = delete;
  MappedPages& operator=(const MappedPages&) = delete;
  ~MappedPages() { ::munmap(address_, size()); }

  static std::size_t size() { return 2 * page_size(); }
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(address_), size()};
  }
  void truncate_to(std::size_t size) const { test::resize(path_, size); }

 private:
  test::ScratchDirectory directory_;
  std::filesystem::path path_ = directory_ / "file";
  void* address_ = nullptr;
};

TEST_CASE("a guarded copy of an intact mapping copies it") {
  const MappedPages pages;
  std::vector<std::byte> buffer(MappedPages::size());
  REQUIRE(guarded_copy(buffer, pages.bytes()));
  CHECK(buffer == std::vector(MappedPages::size(), std::byte{'x'}));
}

TEST_CASE("a guarded copy of a truncated mapping is an error and not a crash") {
  const MappedPages pages;
  pages.truncate_to(0);
  std::vector<std::byte> buffer(MappedPages::size());
  const auto copied = guarded_copy(buffer, pages.bytes());
  REQUIRE_FALSE(copied);
  CHECK(copied.error().code() == std::errc::io_error);
}

TEST_CASE("a guarded copy that only runs into the truncated part is an error too") {
  const MappedPages pages;
  pages.truncate_to(page_size());
  std::vector<std::byte> buffer(MappedPages::size());
  CHECK_FALSE(guarded_copy(buffer, pages.bytes()));
  CHECK(guarded_copy(std::span(buffer).first(page_size()), pages.bytes().first(page_size())));
  const auto unaligned = pages.bytes().subspan(page_size() - 3, 7);
  CHECK_FALSE(guarded_copy(std::span(buffer).first(7), unaligned));
}

TEST_CASE("a guarded copy works again and again after having failed") {
  const MappedPages gone;
  const MappedPages intact;
  gone.truncate_to(0);
  std::vector<std::byte> buffer(MappedPages::size());
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(guarded_copy(buffer, gone.bytes()));
    CHECK(guarded_copy(buffer, intact.bytes()));
  }
}

TEST_CASE("guarded copies fail and succeed in several threads at a time") {
  const MappedPages gone;
  const MappedPages intact;
  gone.truncate_to(0);
  constexpr std::size_t kThreads = 4;
  std::latch start(kThreads);
  std::array<int, kThreads> wrong{};
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (auto& count : wrong) {
      threads.emplace_back([&, bad = threads.size() % 2 == 0] {
        std::vector<std::byte> buffer(MappedPages::size());
        start.arrive_and_wait();
        for (int i = 0; i < 200; ++i) {
          count += guarded_copy(buffer, bad ? gone.bytes() : intact.bytes()).has_value() == bad;
        }
      });
    }
  }
  CHECK(wrong == std::array<int, kThreads>{});
}

TEST_CASE("a guarded copy between unequal sizes is an error and copies nothing") {
  const std::array<std::byte, 4> from{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::array<std::byte, 3> to{};
  CHECK(guarded_copy(to, from).error().code() == std::errc::invalid_argument);
  CHECK(to == std::array<std::byte, 3>{});
  CHECK(guarded_copy({}, {}));
}

// How a fresh process ends that does what bus_error_probe.cpp says of the scenario: dispositions of
// signals are the process's, and the guard is installed once in it.
int status_of_probe(const char* scenario) {
  std::string program = MMAPDIR_BUS_ERROR_PROBE;
  std::string argument = scenario;
  std::array<char*, 3> arguments{program.data(), argument.data(), nullptr};
  pid_t child = 0;
  REQUIRE(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ) == 0);
  int status = 0;
  must(::waitpid(child, &status, 0), "waitpid");
  return status;
}

void check_exits_as_expected(const char* scenario) {
  const int status = status_of_probe(scenario);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == test::kProbeAsExpected);
}

void check_dies_of_bus_error(const char* scenario) {
  const int status = status_of_probe(scenario);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGBUS);
}

TEST_CASE("a fault outside a guarded copy goes to the SA_SIGINFO handler that was there before") {
  check_exits_as_expected("fault-to-siginfo-handler");
}

TEST_CASE("a fault outside a guarded copy goes to the plain handler that was there before") {
  check_exits_as_expected("fault-to-plain-handler");
}

TEST_CASE("a fault in the destination of a guarded copy is not taken for one of the source") {
  check_exits_as_expected("fault-in-destination");
}

TEST_CASE("a SIGBUS that was sent goes to the handler that was there before") {
  check_exits_as_expected("sent-to-handler");
}

TEST_CASE("the handler that was there before runs with the mask it asked for") {
  check_exits_as_expected("mask-of-handler");
}

TEST_CASE("a fault outside a guarded copy ends a process that had no handler") {
  check_dies_of_bus_error("fault-to-default");
}

TEST_CASE("a fault outside a guarded copy ends a process that ignored the signal") {
  check_dies_of_bus_error("fault-to-ignore");
}

TEST_CASE("a SIGBUS that was sent ends a process that had no handler") {
  check_dies_of_bus_error("sent-to-default");
}

TEST_CASE("a SIGBUS that was sent is ignored where it was before") {
  check_exits_as_expected("sent-to-ignore");
}

TEST_CASE("a handler that was to run once runs once and then the default comes") {
  check_dies_of_bus_error("sent-twice-to-one-shot-handler");
}

}  // namespace
}  // namespace mmapdir
