// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "metrics/listen_address.h"
#include "start_error.h"

struct MHD_Daemon;  // libmicrohttpd's

namespace mmapdirfs {

// Answers GET /metrics over HTTP, for Prometheus to scrape; whoever reaches the address may. One
// thread of its own, which sleeps while nobody asks and serves no request of the mount.
//
// A resource type: listens until it goes, which ends connections that are under way.
class MetricsServer {
 public:
  using Text = std::function<std::string()>;

  // `text` is called by the server's thread for each answer.
  static std::expected<std::unique_ptr<MetricsServer>, StartError> start(
      const ListenAddress& address, Text text);

  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  // Where the metrics are: "http://127.0.0.1:9100/metrics".
  const std::string& url() const { return url_; }

 private:
  explicit MetricsServer(Text text) : text_(std::move(text)) {}

  const Text text_;
  std::string url_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace mmapdirfs
