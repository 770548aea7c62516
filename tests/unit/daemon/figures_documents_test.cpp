// SPDX-License-Identifier: MIT
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "metrics/metrics_document.h"
#include "metrics/operation_counters.h"
#include "metrics/status_document.h"

namespace mmapdirfs {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;

MountFigures some_figures() {
  OperationCounters counters;
  using std::chrono::microseconds;
  counters.count(OperationKind::kRead, {.latency = microseconds(3), .bytes = 4096});
  counters.count(OperationKind::kRead, {.latency = microseconds(5), .bytes = 4096});
  counters.count(OperationKind::kLookup, {.latency = microseconds(1), .errnum = ENOENT});
  MountFigures figures;
  figures.identity = {.version = "0.1.0",
                      .libfuse = "3.18.3",
                      .source = "/a \"b\"\n",
                      .mountpoint = "/m\xff",
                      .read_path = "mapped",
                      .read_path_reason = "",
                      .transport = "/dev/fuse",
                      .options = R"({"threads": 16})",
                      .unwatched_reason = {}};
  figures.uptime = std::chrono::milliseconds(1500);
  figures.objects = {.inodes = 3, .open_inodes = 2, .open_files = 4, .open_directories = 1};
  figures.mappings.hits = 7;
  figures.locks = {.held = 2, .waiting = 1, .waiting_for_leases = 3};
  figures.invalidations.names = 5;
  figures.operations = counters.figures();
  return figures;
}

}  // namespace

TEST_CASE("The status is one JSON object, with each operation that occurred") {
  const auto text = status_document(some_figures());
  CHECK(text.ends_with("}\n"));
  const auto status = json::parse(text);
  CHECK(status["source"] == "/a \"b\"\n");
  CHECK(status["mountpoint"] == "/m\xEF\xBF\xBD");
  CHECK(status["options"]["threads"] == 16);
  CHECK(status["uptime_seconds"] == 1);
  CHECK(status["open_files"] == 4);
  CHECK(status["mappings"]["hits"] == 7);
  CHECK(status["locks"] == json{{"held", 2}, {"waiting", 1}, {"waiting_for_leases", 3}});
  CHECK(status["watch"]["active"] == true);
  CHECK(status["watch"]["reason"].is_null());
  CHECK(status["hot_set"]["state"] == "none");
  CHECK(status["operations"].size() == 2);
  const auto& read = status["operations"]["read"];
  CHECK(read["count"] == 2);
  CHECK(read["errors"].empty());
  CHECK(read["latency_microseconds"]["max"] == 5.0);
  CHECK(status["operations"]["lookup"]["errors"] == json{{"ENOENT", 1}});
}

TEST_CASE("A source that isn't watched is told with the reason") {
  auto figures = some_figures();
  figures.identity.unwatched_reason = "not with --cache=never";
  const auto watch = json::parse(status_document(figures))["watch"];
  CHECK(watch["active"] == false);
  CHECK(watch["reason"] == "not with --cache=never");
}

TEST_CASE("Metrics have Prometheus's text format, in seconds and bytes") {
  const auto text = metrics_document(some_figures());
  CHECK_THAT(text, ContainsSubstring("# TYPE mmapdirfs_operation_duration_seconds histogram\n"));
  CHECK_THAT(text, ContainsSubstring("duration_seconds_count{operation=\"read\"} 2\n"));
  CHECK_THAT(text, ContainsSubstring("mmapdirfs_operation_bytes_total{operation=\"read\"} 8192\n"));
  CHECK_THAT(text,
             ContainsSubstring(
                 "mmapdirfs_operation_errors_total{operation=\"lookup\",errno=\"ENOENT\"} 1\n"));
  CHECK_THAT(text, ContainsSubstring("mmapdirfs_invalidations_total{kind=\"names\"} 5\n"));
  CHECK_THAT(text, ContainsSubstring("source=\"/a \\\"b\\\"\\n\""));
}

TEST_CASE("A histogram's buckets add up to its count") {
  const auto families = metric_families(some_figures());
  const auto found = std::ranges::find(families, "mmapdirfs_operation_duration_seconds",
                                       &prometheus::MetricFamily::name);
  REQUIRE(found != families.end());
  REQUIRE(found->metric.size() == 2);
  const auto& read = found->metric[1].histogram;
  CHECK(read.sample_count == 2);
  CHECK(read.sample_sum == Catch::Approx(8e-6));
  CHECK(read.bucket.front().cumulative_count == 0);
  CHECK(read.bucket.back().cumulative_count == 2);
  for (const auto& bucket : read.bucket) {
    // 3 us, and 5 us
    const unsigned expected =
        (bucket.upper_bound >= 3e-6 ? 1U : 0U) + (bucket.upper_bound >= 5e-6 ? 1U : 0U);
    CHECK(bucket.cumulative_count == expected);
  }
}

}  // namespace mmapdirfs
