// SPDX-License-Identifier: MIT
// What a mount tells the service manager that started its daemon.

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "support/files.h"
#include "support/mount.h"
#include "support/notify_socket.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

// A mount whose daemon has these variables in its environment.
MountSetup started_with(std::vector<std::pair<std::string, std::string>> variables,
                        std::vector<std::string> options = {}) {
  return {.options = std::move(options), .before = [variables = std::move(variables)] {
            for (const auto& [name, value] : variables) {
              // NOLINTNEXTLINE(concurrency-mt-unsafe): the child that calls it has one thread
              must(::setenv(name.c_str(), value.c_str(), 1), "setenv");
            }
          }};
}

TEST_CASE("The service manager is told when the mount answers and when it is taken away",
          "[service]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const NotifySocket manager;
  Mount mount(source.path(), started_with({{"NOTIFY_SOCKET", manager.name()}}, path));
  CHECK(manager.hear() == "READY=1\nSTATUS=Serving " + mount.root().string());
  CHECK(mount.unmount() == 0);
  CHECK(manager.hear().starts_with("STOPPING=1\n"));
  CHECK(mount.daemon().wait(kPatience) == 0);
  CHECK(manager.hears_nothing());
}

TEST_CASE("The watchdog of a mount hears that it answers, again and again", "[service]") {
  const TemporaryDirectory source;
  const NotifySocket manager;
  Mount mount(source.path(),
              started_with({{"NOTIFY_SOCKET", manager.name()}, {"WATCHDOG_USEC", "20000"}}));
  CHECK(manager.hear().starts_with("READY=1\n"));
  for (int time = 0; time < 5; ++time) {
    CHECK(manager.hear() == "WATCHDOG=1");
  }
  mount.daemon().signal(SIGTERM);
  std::string message = manager.hear();
  while (message == "WATCHDOG=1") {
    message = manager.hear();
  }
  CHECK(message.starts_with("STOPPING=1\n"));
  CHECK(mount.daemon().wait(kPatience) == 0);
}

}  // namespace
}  // namespace mmapdir::test
