// SPDX-License-Identifier: MIT
#include "metrics/status_document.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "metrics/errno_name.h"

namespace mmapdirfs {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json operation(const OperationFigures& figures) {
  auto errors = Json::object();
  for (const auto& [errnum, count] : figures.errors) {
    errors[name_of_errno(errnum)] = count;
  }
  return {{"count", figures.count},
          {"errors", std::move(errors)},
          {"latency_microseconds",
           {{"p50", figures.microseconds_of(0.5)},
            {"p90", figures.microseconds_of(0.9)},
            {"p99", figures.microseconds_of(0.99)},
            {"max", figures.microseconds_of(1)}}}};
}

Json operations(const std::vector<OperationFigures>& figures) {
  auto result = Json::object();
  for (const auto& each : figures) {
    result[std::string(name_of(each.kind))] = operation(each);
  }
  return result;
}

Json options(const std::string& document) {
  return document.empty() ? Json::object() : Json::parse(document);
}

Json mappings(const mmapdir::MappingCounters& counters, const mmapdir::MappingLimits& limits) {
  return {{"count", counters.mappings},
          {"limit", limits.max_mappings},
          {"mapped_bytes", counters.mapped_bytes},
          {"limit_bytes", limits.max_bytes},
          {"hits", counters.hits},
          {"misses", counters.misses},
          {"remaps", counters.remaps},
          {"evictions", counters.evictions},
          {"refusals", counters.refusals}};
}

Json watch(const MountFigures& figures) {
  return {{"active", !figures.identity.unwatched_reason},
          {"reason", or_null(figures.identity.unwatched_reason)},
          {"directories", figures.objects.watched_directories},
          {"overflows", figures.watch.overflows},
          {"changes", figures.watch.changes}};
}

}  // namespace

std::string status_document(const MountFigures& figures) {
  const auto& identity = figures.identity;
  const Json document = {
      {"version", identity.version},
      {"libfuse", identity.libfuse},
      {"pid", identity.pid},
      {"source", identity.source},
      {"mountpoint", identity.mountpoint},
      {"read_only", identity.is_read_only},
      {"options", options(identity.options)},
      {"read_path", identity.read_path},
      {"read_path_reason", identity.read_path_reason},
      {"transport", identity.transport},
      {"uptime_seconds", static_cast<std::int64_t>(figures.uptime.count())},
      {"threads", figures.threads},
      {"inodes", figures.objects.inodes},
      {"open_inodes", figures.objects.open_inodes},
      {"open_files", figures.objects.open_files},
      {"open_directories", figures.objects.open_directories},
      {"descriptors", {{"used", figures.descriptors.used}, {"limit", figures.descriptors.limit}}},
      {"mappings", mappings(figures.mappings, figures.mapping_limits)},
      {"locks",
       {{"held", figures.locks.held},
        {"waiting", figures.locks.waiting},
        {"waiting_for_leases", figures.locks.waiting_for_leases}}},
      {"watch", watch(figures)},
      {"invalidations",
       {{"attributes", figures.invalidations.attributes},
        {"pages", figures.invalidations.pages},
        {"names", figures.invalidations.names},
        {"listings", figures.invalidations.listings}}},
      {"pins",
       {{"files", figures.pins.files},
        {"intended_bytes", figures.pins.intended_bytes},
        {"pinned_bytes", figures.pins.pinned_bytes}}},
      {"hot_set",
       {{"file", or_null(figures.hot_set.file)},
        {"last_saved", or_null(figures.hot_set.last_saved)},
        {"state", figures.hot_set.state}}},
      {"operations", operations(figures.operations)},
  };
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace mmapdirfs
