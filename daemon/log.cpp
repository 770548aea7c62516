// SPDX-License-Identifier: MIT
#include "log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace mmapdirfs {
namespace {

constexpr const char* kIdent = "mmapdirfs";

void use(spdlog::sink_ptr sink, const char* pattern, const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>(kIdent, std::move(sink));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  logger->set_pattern(pattern);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void log_to_stderr(const std::string& level) {
  use(std::make_shared<spdlog::sinks::stderr_sink_mt>(), "mmapdirfs: %l: %v", level);
}

void log_to_syslog(const std::string& level) {
  // syslog knows the time and the level itself.
  use(std::make_shared<spdlog::sinks::syslog_sink_mt>(kIdent, LOG_PID, LOG_DAEMON,
                                                      /*enable_formatting=*/true),
      "%v", level);
}

}  // namespace mmapdirfs
