// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace mmapdirfs {

// Who started the daemon and wants to hear of it: systemd, or who speaks its protocol
// (sd_notify(3), whose datagrams are a stable interface; so no library is needed for them).
struct ServiceManager {
  // $NOTIFY_SOCKET: a path, or with '@' in front a name in the abstract namespace.
  std::string socket;
  // $WATCHDOG_USEC: the daemon is killed if nothing is heard for so long. Nothing: it isn't
  // watched.
  std::optional<std::chrono::microseconds> watchdog;

  // Nothing where no manager has asked for notice. A watchdog meant for another process
  // ($WATCHDOG_PID) isn't ours. Call it while there is one thread as yet.
  static std::optional<ServiceManager> from_environment();
};

// Tells the service manager what becomes of the mount: that it is ready once it answers, that it
// still answers, that it is about to go. Without a manager every call does nothing. Errors are
// logged; the mount goes on.
//
// A resource type; for one thread.
class ServiceNotifier {
 public:
  // Asks the mount for something that only the daemon can tell, waits for the answer, and says
  // whether there was one.
  using Question = std::function<bool()>;

  explicit ServiceNotifier(std::optional<ServiceManager> manager) : manager_(std::move(manager)) {}
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;
  // Waits for a question that is under way: the mount must have gone by then.
  ~ServiceNotifier();

  // Asks in a thread of its own, so that the caller can go and serve. After the first answer the
  // manager hears READY=1 and `status`, one line for people. Under a watchdog the thread then asks
  // twice in each of its periods and passes on each answer; else it ends.
  void watch(std::string status, Question answers);

  // The mount is about to go; nothing is asked any more. Doesn't wait.
  void announce_stopping();

 private:
  void ask(const std::stop_token& stop, const std::string& status, const Question& answers);
  void tell(std::string_view message) const;

  const std::optional<ServiceManager> manager_;
  std::mutex mutex_;  // guards nothing but the wait
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace mmapdirfs
