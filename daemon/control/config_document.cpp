// SPDX-License-Identifier: MIT
#include "control/config_document.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "control/json_line.h"
#include "read_path_choice.h"

namespace mmapdirfs {
namespace {

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

nlohmann::ordered_json seconds_or_null(const std::optional<std::chrono::seconds>& time) {
  return time ? nlohmann::ordered_json(time->count()) : nlohmann::ordered_json();
}

}  // namespace

std::string config_document(const Options& options) {
  return json_line({
      {"source", options.source},
      {"mountpoint", options.mountpoint},
      {"foreground", options.foreground},
      {"read-path", options.read_path ? name_of(*options.read_path) : "auto"},
      {"cache", name_of(options.cache.mode)},
      {"attr-timeout", seconds_or_null(options.cache.attribute_timeout)},
      {"entry-timeout", seconds_or_null(options.cache.entry_timeout)},
      {"threads", options.threads},
      {"io-uring", name_of(options.io_uring)},
      {"idmap", options.idmap ? "on" : "off"},
      {"max-mappings", or_null(options.max_mappings)},
      {"read-ahead", or_null(options.read_ahead_kib)},
      {"log-level", options.log_level},
      {"control", options.control.value_or("off")},
      {"metrics-listen", options.metrics_listen ? options.metrics_listen->text() : "off"},
      {"hot-set", options.hot_set ? nlohmann::ordered_json(options.hot_set->string())
                                  : nlohmann::ordered_json()},
      {"hot-set-interval", options.hot_set_interval.count()},
      {"advice", options.advice},
      {"mount-options", options.mount_options},
  });
}

}  // namespace mmapdirfs
