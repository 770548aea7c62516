// SPDX-License-Identifier: MIT
#include "service_notifier.h"

#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <semaphore>
#include <string>
#include <vector>

#include "log.h"
#include "support/files.h"
#include "support/notify_socket.h"
#include "support/process.h"

namespace mmapdirfs::test {
namespace {

using mmapdir::test::must;
using mmapdir::test::NotifySocket;
using namespace std::chrono_literals;

constexpr std::chrono::seconds kPatience{60};

void set_variable(const std::string& name, const std::string& value) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the child that calls it has one thread
  must(::setenv(name.c_str(), value.c_str(), 1), "setenv");
}

// In a child, whose environment is its own.
int in_environment(const std::vector<std::string>& variables, const std::function<int()>& body) {
  return mmapdir::test::Process::call([&] {
           for (const auto* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
             ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
           }
           for (const auto& variable : variables) {
             const auto sign = variable.find('=');
             set_variable(variable.substr(0, sign), variable.substr(sign + 1));
           }
           return body();
         })
      .wait(kPatience)
      .value_or(-1);
}

constexpr int kNoManager = 100;

// The watchdog's period in milliseconds as the environment has it; 0 without a watchdog.
int period_of(const std::vector<std::string>& variables) {
  return in_environment(variables, [] {
    const auto manager = ServiceManager::from_environment();
    return manager ? static_cast<int>(manager->watchdog.value_or(0ms) / 1ms) : kNoManager;
  });
}

TEST_CASE("Without NOTIFY_SOCKET there is no manager, and nobody is told", "[service]") {
  CHECK(period_of({}) == kNoManager);
  CHECK(period_of({"NOTIFY_SOCKET="}) == kNoManager);
  CHECK(period_of({"WATCHDOG_USEC=1000"}) == kNoManager);

  bool was_asked = false;
  {
    ServiceNotifier notifier(std::nullopt);
    notifier.watch("", [&] { return was_asked = true; });
    notifier.announce_stopping();
  }
  CHECK_FALSE(was_asked);
}

TEST_CASE("The watchdog is that of the environment, unless it is another process's", "[service]") {
  const std::string socket = "NOTIFY_SOCKET=/run/notify";
  CHECK(period_of({socket}) == 0);
  CHECK(period_of({socket, "WATCHDOG_USEC=20000"}) == 20);
  CHECK(period_of({socket, "WATCHDOG_USEC=20000", "WATCHDOG_PID=1"}) == 0);
  for (const std::string period : {"", "0", "-5", "1s", "99999999999999999999"}) {
    CAPTURE(period);
    CHECK(period_of({socket, "WATCHDOG_USEC=" + period}) == 0);
  }
  CHECK(in_environment({socket, "WATCHDOG_USEC=1000"}, [] {
          set_variable("WATCHDOG_PID", std::to_string(::getpid()));
          const auto manager = ServiceManager::from_environment();
          return manager && manager->watchdog == 1ms ? 0 : 1;
        }) == 0);
}

TEST_CASE("Readiness is told once the mount answers, and not before", "[service]") {
  const NotifySocket manager;
  std::binary_semaphore serving(0);
  ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = {}});
  notifier.watch("Serving /mnt", [&] {
    serving.acquire();
    return true;
  });
  CHECK(manager.hears_nothing());
  serving.release();
  CHECK(manager.hear() == "READY=1\nSTATUS=Serving /mnt");
  notifier.announce_stopping();
  CHECK(manager.hear().starts_with("STOPPING=1\n"));
}

TEST_CASE("A socket in the abstract namespace is told as well", "[service]") {
  const NotifySocket manager("@mmapdirfs-test-" + std::to_string(::getpid()));
  ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = {}});
  notifier.watch("", [] { return true; });
  CHECK(manager.hear().starts_with("READY=1\n"));
}

TEST_CASE("A mount that never answered is never said to be ready", "[service]") {
  const NotifySocket manager;
  {
    ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = 1ms});
    notifier.watch("", [] { return false; });
  }
  CHECK(manager.hears_nothing());
}

TEST_CASE("Without a watchdog the mount is asked once, and the thread ends", "[service]") {
  const NotifySocket manager;
  std::promise<void> ended;
  std::atomic<int> questions = 0;  // the promise is kept in libstdc++, which no sanitizer sees into
  ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = {}});
  notifier.watch("", [&] {
    ++questions;
    ended.set_value_at_thread_exit();
    return true;
  });
  REQUIRE(ended.get_future().wait_for(kPatience) == std::future_status::ready);
  CHECK(questions == 1);
  CHECK(manager.hear().starts_with("READY=1\n"));
  CHECK(manager.hears_nothing());
}

TEST_CASE("The watchdog hears of each answer, and of nothing while there is none", "[service]") {
  const NotifySocket manager;
  std::counting_semaphore answers(3);
  std::counting_semaphore questions(0);
  {
    ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = 2ms});
    notifier.watch("", [&] {
      questions.release();
      answers.acquire();
      return true;
    });
    CHECK(manager.hear().starts_with("READY=1\n"));
    CHECK(manager.hear() == "WATCHDOG=1");
    CHECK(manager.hear() == "WATCHDOG=1");
    for (int question = 0; question < 4; ++question) {
      REQUIRE(questions.try_acquire_for(kPatience));
    }
    CHECK(manager.hears_nothing());  // the fourth question is under way
    notifier.announce_stopping();
    CHECK(manager.hear().starts_with("STOPPING=1\n"));
    answers.release();
  }
  CHECK(manager.hears_nothing());
}

TEST_CASE("A newline in a path adds nothing to what the manager is told", "[service]") {
  const NotifySocket manager;
  ServiceNotifier notifier(ServiceManager{.socket = manager.name(), .watchdog = {}});
  notifier.watch("Serving /mnt\nMAINPID=1", [] { return true; });
  CHECK(manager.hear() == "READY=1\nSTATUS=Serving /mnt MAINPID=1");
}

TEST_CASE("A manager that isn't there is no reason to fail", "[service]") {
  log_to_stderr("error");  // as the daemon, before there is another thread
  for (const std::string& socket : {std::string("/nowhere/notify"), std::string(200, 'x')}) {
    ServiceNotifier notifier(ServiceManager{.socket = socket, .watchdog = 1ms});
    notifier.watch("", [] { return true; });
    CHECK_NOTHROW(notifier.announce_stopping());
  }
}

}  // namespace
}  // namespace mmapdirfs::test
