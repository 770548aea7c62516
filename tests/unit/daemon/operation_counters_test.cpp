// SPDX-License-Identifier: MIT
#include "metrics/operation_counters.h"

#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>

namespace mmapdirfs {
namespace {

using std::chrono::nanoseconds;

OperationFigures figures_of(const OperationCounters& counters, OperationKind kind) {
  for (const auto& each : counters.figures()) {
    if (each.kind == kind) {
      return each;
    }
  }
  return {.kind = kind};
}

void count_reads(OperationCounters& counters, int times) {
  for (int i = 0; i < times; ++i) {
    counters.count(OperationKind::kRead, {.latency = nanoseconds(1000), .bytes = 10});
  }
}

}  // namespace

TEST_CASE("Each bucket begins where the one below it ends") {
  namespace buckets = latency_buckets;
  CHECK(buckets::index_of(0) == 0);
  for (std::size_t i = 0; i + 1 < buckets::kCount; ++i) {
    const auto bound = buckets::upper_bound(i);
    CAPTURE(i, bound);
    REQUIRE(buckets::index_of(bound) == i);
    REQUIRE(buckets::index_of(bound + 1) == i + 1);
  }
  CHECK(buckets::index_of(~std::uint64_t{0}) == buckets::kCount - 1);
}

TEST_CASE("A latency is known to within an eighth of itself") {
  for (std::uint64_t latency = 300; latency < 100'000'000'000; latency += latency / 7) {
    const auto bound = latency_buckets::upper_bound(latency_buckets::index_of(latency));
    CAPTURE(latency, bound);
    REQUIRE(bound >= latency);
    REQUIRE(bound - latency <= latency / 8);
  }
}

TEST_CASE("Operations that didn't occur aren't among the figures") {
  OperationCounters counters;
  CHECK(counters.figures().empty());
  counters.count(OperationKind::kFlock, {});
  REQUIRE(counters.figures().size() == 1);
  CHECK(counters.figures().front().kind == OperationKind::kFlock);
}

TEST_CASE("An operation is counted with its time, its bytes and its errno") {
  OperationCounters counters;
  counters.count(OperationKind::kRead, {.latency = nanoseconds(700), .bytes = 4096});
  counters.count(OperationKind::kRead, {.latency = nanoseconds(900), .errnum = EIO});
  counters.count(OperationKind::kRead, {.latency = nanoseconds(100), .errnum = EIO});
  counters.count(OperationKind::kRead, {.latency = nanoseconds(100), .errnum = 512});

  const auto figures = figures_of(counters, OperationKind::kRead);
  CHECK(figures.count == 4);
  CHECK(figures.nanoseconds == 1800);
  CHECK(figures.longest_nanoseconds == 900);
  CHECK(figures.bytes == 4096);
  CHECK(figures.errors == std::map<int, std::uint64_t>{{EIO, 2}, {0, 1}});
}

TEST_CASE("Percentiles are never longer than the longest latency") {
  OperationCounters counters;
  for (int i = 1; i <= 100; ++i) {
    counters.count(OperationKind::kOpen, {.latency = std::chrono::microseconds(i)});
  }
  const auto figures = figures_of(counters, OperationKind::kOpen);
  CHECK(figures.microseconds_of(0.5) >= 50);
  CHECK(figures.microseconds_of(0.5) <= 50 * 1.125);
  CHECK(figures.microseconds_of(0.99) >= 99);
  CHECK(figures.microseconds_of(0.99) <= 100);
  CHECK(figures.microseconds_of(1) == 100);
}

TEST_CASE("What a thread has counted stays when it ends") {
  OperationCounters counters;
  for (int i = 0; i < 50; ++i) {
    std::thread([&] { count_reads(counters, 3); }).join();
  }
  CHECK(figures_of(counters, OperationKind::kRead).count == 150);
}

TEST_CASE("A thread may count for several mounts in turn") {
  OperationCounters one;
  std::optional<OperationCounters> other(std::in_place);
  count_reads(one, 1);
  count_reads(*other, 5);
  count_reads(one, 1);
  other.reset();
  count_reads(one, 1);
  CHECK(figures_of(one, OperationKind::kRead).count == 3);
}

TEST_CASE("Threads may count after the counters were looked at for the last time") {
  auto counters = std::make_unique<OperationCounters>();
  std::atomic<bool> counted = false;
  std::atomic<bool> gone = false;
  std::thread thread([&] {
    count_reads(*counters, 1);
    counted = true;
    counted.notify_one();
    gone.wait(false);
  });
  counted.wait(false);
  CHECK(figures_of(*counters, OperationKind::kRead).count == 1);
  counters.reset();
  gone = true;
  gone.notify_one();
  thread.join();  // gives back what it counted in
}

TEST_CASE("Whoever reads while others count gets numbers that belong together") {
  OperationCounters counters;
  std::atomic<bool> done = false;
  const auto count_on = [&] {
    while (!done) {
      count_reads(counters, 100);
    }
  };
  std::array<std::thread, 3> threads = {std::thread(count_on), std::thread(count_on),
                                        std::thread(count_on)};
  std::uint64_t last = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto figures = figures_of(counters, OperationKind::kRead);
    REQUIRE(figures.nanoseconds == figures.count * 1000);
    REQUIRE(figures.bytes == figures.count * 10);
    REQUIRE(std::accumulate(figures.buckets.begin(), figures.buckets.end(), std::uint64_t{0}) ==
            figures.count);
    REQUIRE(figures.count >= last);
    last = figures.count;
  }
  done = true;
  for (auto& thread : threads) {
    thread.join();
  }
}

}  // namespace mmapdirfs
