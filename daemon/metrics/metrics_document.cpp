// SPDX-License-Identifier: MIT
#include "metrics/metrics_document.h"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <string_view>
#include <utility>

#include "metrics/errno_name.h"

namespace mmapdirfs {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kSecondsPerNanosecond = 1e-9;

// The bounds of the buckets shown: powers of two from a microsecond to eight and a half seconds,
// all of them bounds of the buckets counted.
constexpr unsigned kFirstBound = 10;
constexpr unsigned kLastBound = 33;

template <class T>
double to_value(T value) {
  return static_cast<double>(value);
}

template <class T>
ClientMetric gauge(T value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = to_value(value);
  return metric;
}

template <class T>
ClientMetric counter(T value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = to_value(value);
  return metric;
}

// All families, in their order.
class Families {
 public:
  void gauges(std::string_view name, std::string help, std::vector<ClientMetric> metrics) {
    add(name, std::move(help), MetricType::Gauge, std::move(metrics));
  }
  void counters(std::string_view name, std::string help, std::vector<ClientMetric> metrics) {
    add(name, std::move(help), MetricType::Counter, std::move(metrics));
  }
  void histograms(std::string_view name, std::string help, std::vector<ClientMetric> metrics) {
    add(name, std::move(help), MetricType::Histogram, std::move(metrics));
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  void add(std::string_view name, std::string help, MetricType type,
           std::vector<ClientMetric> metrics) {
    if (!metrics.empty()) {
      families_.push_back({.name = "mmapdirfs_" + std::string(name),
                           .help = std::move(help),
                           .type = type,
                           .metric = std::move(metrics)});
    }
  }

  std::vector<MetricFamily> families_;
};

Labels label(std::string name, std::string_view value) {
  return {{.name = std::move(name), .value = std::string(value)}};
}

void add_identity(Families& families, const MountFigures& figures) {
  const auto& identity = figures.identity;
  families.gauges("build_info", "The running version, as labels; always 1.",
                  {gauge(1, {{.name = "version", .value = identity.version},
                             {.name = "libfuse", .value = identity.libfuse}})});
  families.gauges(
      "mount_info", "What is mounted, and how, as labels; always 1.",
      {gauge(1, {{.name = "source", .value = identity.source},
                 {.name = "mountpoint", .value = identity.mountpoint},
                 {.name = "read_path", .value = identity.read_path},
                 {.name = "transport", .value = identity.transport},
                 {.name = "read_only", .value = identity.is_read_only ? "true" : "false"}})});
  families.gauges("uptime_seconds", "Time since it was mounted.", {gauge(figures.uptime.count())});
}

void add_process(Families& families, const MountFigures& figures) {
  families.gauges("threads", "Threads of the daemon.", {gauge(figures.threads)});
  families.gauges("open_descriptors", "File descriptors that the daemon has open.",
                  {gauge(figures.descriptors.used)});
  families.gauges("max_descriptors", "File descriptors that the daemon may have open.",
                  {gauge(figures.descriptors.limit)});
}

void add_objects(Families& families, const MountFigures& figures) {
  const auto& objects = figures.objects;
  families.gauges("inodes", "Inodes that the kernel knows.", {gauge(objects.inodes)});
  families.gauges("open_inodes", "Files of the source that are open, however often.",
                  {gauge(objects.open_inodes)});
  families.gauges("open_files", "Open files of programs.", {gauge(objects.open_files)});
  families.gauges("open_directories", "Open directories of programs.",
                  {gauge(objects.open_directories)});
  families.gauges("locks_held", "Locks held on the source for programs.",
                  {gauge(figures.locks.held)});
  families.gauges("locks_waiting", "Requests that wait for a lock.",
                  {gauge(figures.locks.waiting)});
  families.gauges("leases_waiting", "Requests that wait for leases of other processes.",
                  {gauge(figures.locks.waiting_for_leases)});
}

void add_mappings(Families& families, const MountFigures& figures) {
  const auto& counters = figures.mappings;
  families.gauges("mappings", "Files mapped, in use or kept.", {gauge(counters.mappings)});
  families.gauges("max_mappings", "Files that may be mapped at once.",
                  {gauge(figures.mapping_limits.max_mappings)});
  families.gauges("mapped_bytes", "Address space of the mapped files.",
                  {gauge(counters.mapped_bytes)});
  families.gauges("max_mapped_bytes", "Address space that mapped files may have.",
                  {gauge(figures.mapping_limits.max_bytes)});
  families.counters("mapping_requests_total",
                    "Mappings asked for: found (hit), not there (miss) or out of date (remap).",
                    {counter(counters.hits, label("result", "hit")),
                     counter(counters.misses, label("result", "miss")),
                     counter(counters.remaps, label("result", "remap"))});
  families.counters("mapping_evictions_total", "Idle mappings dropped to make room.",
                    {counter(counters.evictions)});
  families.counters("mapping_refusals_total",
                    "Mappings that couldn't be had; the file was read instead.",
                    {counter(counters.refusals)});
}

void add_coherence(Families& families, const MountFigures& figures) {
  families.gauges("watch_active", "1 where changes on the source are watched, else 0.",
                  {gauge(figures.identity.unwatched_reason ? 0 : 1)});
  families.gauges("watched_directories", "Directories of the source that are watched.",
                  {gauge(figures.objects.watched_directories)});
  families.counters("source_changes_total", "Changes on the source that the kernel reported.",
                    {counter(figures.watch.changes)});
  families.counters("watch_overflows_total",
                    "Times that changes were lost and everything was looked up anew.",
                    {counter(figures.watch.overflows)});
  const auto& told = figures.invalidations;
  families.counters(
      "invalidations_total", "What the kernel was told to forget.",
      {counter(told.attributes, label("kind", "attributes")),
       counter(told.pages, label("kind", "pages")), counter(told.names, label("kind", "names")),
       counter(told.listings, label("kind", "listings"))});
}

void add_memory(Families& families, const MountFigures& figures) {
  families.gauges("pinned_files", "Files that are to be kept in memory.",
                  {gauge(figures.pins.files)});
  families.gauges("pin_intended_bytes", "Bytes of these files.",
                  {gauge(figures.pins.intended_bytes)});
  families.gauges("pinned_bytes", "Bytes of these files that are locked in memory.",
                  {gauge(figures.pins.pinned_bytes)});
  if (figures.hot_set.last_saved) {
    families.gauges("hot_set_last_saved_timestamp_seconds",
                    "When the hot set was last saved, in seconds since 1970.",
                    {gauge(*figures.hot_set.last_saved)});
  }
}

ClientMetric duration_of(const OperationFigures& figures) {
  ClientMetric metric;
  metric.label = label("operation", name_of(figures.kind));
  metric.histogram.sample_count = figures.count;
  metric.histogram.sample_sum = to_value(figures.nanoseconds) * kSecondsPerNanosecond;
  std::uint64_t seen = 0;
  std::size_t next = 0;
  for (unsigned power = kFirstBound; power <= kLastBound; ++power) {
    const std::uint64_t bound = std::uint64_t{1} << power;
    for (; latency_buckets::upper_bound(next) <= bound; ++next) {
      seen += figures.buckets.at(next);
    }
    metric.histogram.bucket.push_back(
        {.cumulative_count = seen, .upper_bound = to_value(bound) * kSecondsPerNanosecond});
  }
  return metric;
}

void add_operations(Families& families, const std::vector<OperationFigures>& operations) {
  std::vector<ClientMetric> durations;
  std::vector<ClientMetric> errors;
  std::vector<ClientMetric> bytes;
  for (const auto& each : operations) {
    durations.push_back(duration_of(each));
    for (const auto& [errnum, count] : each.errors) {
      errors.push_back(
          counter(count, {{.name = "operation", .value = std::string(name_of(each.kind))},
                          {.name = "errno", .value = name_of_errno(errnum)}}));
    }
    if (each.bytes != 0) {
      bytes.push_back(counter(each.bytes, label("operation", name_of(each.kind))));
    }
  }
  families.histograms("operation_duration_seconds",
                      "Time from an operation's arrival in the daemon to its answer.",
                      std::move(durations));
  families.counters("operation_errors_total", "Operations answered with an errno.",
                    std::move(errors));
  families.counters("operation_bytes_total", "Bytes read or written by way of the daemon.",
                    std::move(bytes));
}

}  // namespace

std::vector<MetricFamily> metric_families(const MountFigures& figures) {
  Families families;
  add_identity(families, figures);
  add_process(families, figures);
  add_objects(families, figures);
  add_mappings(families, figures);
  add_coherence(families, figures);
  add_memory(families, figures);
  add_operations(families, figures.operations);
  return families.take();
}

std::string metrics_document(const MountFigures& figures) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, metric_families(figures));
  return text.str();
}

}  // namespace mmapdirfs
