// SPDX-License-Identifier: MIT
#include "support/mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr std::string_view kReady = "mounted ";

std::filesystem::path make_mount_point(const TemporaryDirectory& parent,
                                       const std::optional<User>& owner) {
  std::filesystem::path point = parent / "mnt";
  std::filesystem::create_directory(point);
  if (owner) {
    must(::chown(point.c_str(), owner->uid, owner->gid), "chown");
  }
  return point;
}

Catch::ScopedMessage show(const std::vector<std::string>& options) {
  return Catch::ScopedMessage(
      Catch::MessageBuilder("INFO", {__FILE__, __LINE__}, Catch::ResultWas::Info)
      << "mounted with: " << fmt::format("{}", fmt::join(options, " ")));
}

}  // namespace

std::string daemon_program() { return environment("MMAPDIRFS").value_or(MMAPDIRFS_PROGRAM); }

Mount::Mount(const std::filesystem::path& source, MountSetup setup)
    : setup_((require_fuse(), std::move(setup))),
      shown_(show(setup_.options)),
      root_(make_mount_point(directory_, setup_.user)),
      log_(directory_ / "log"),
      daemon_(start(source)) {
  try {
    wait_until_ready();
  } catch (...) {
    force_end();
    throw;
  }
}

Mount::~Mount() {
  try {
    if (std::uncaught_exceptions() > 0) {
      fmt::print(stderr, "the daemon's log:\n{}", log());
    } else if (daemon_.running() && mounted()) {
      CHECK(unmount() == 0);
      CHECK(daemon_.wait(kPatience) == 0);
    }
  } catch (const std::exception& failure) {
    fmt::print(stderr, "while unmounting {}: {}\n", root_.string(), failure.what());
  }
  force_end();
}

Process Mount::start(const std::filesystem::path& source) const {
  // A file, since a pipe would have to be emptied by a thread, and a test that forks wants none.
  const UniqueFd log = open_fd(log_, O_WRONLY | O_CREAT | O_APPEND);
  std::vector<std::string> command{daemon_program(), "-f"};
  const bool names_transport = std::ranges::any_of(
      setup_.options, [](const auto& option) { return option.starts_with("--io-uring"); });
  if (!names_transport) {
    command.push_back("--io-uring=" + environment("MMAPDIRFS_TEST_IO_URING").value_or("off"));
  }
  command.insert(command.end(), setup_.options.begin(), setup_.options.end());
  command.push_back(source);
  command.push_back(root_);
  return Process::program(command, {.user = setup_.user,
                                    .before = setup_.before,
                                    .environment = std::nullopt,
                                    .standard_output = log.get(),
                                    .standard_error = log.get()});
}

void Mount::wait_until_ready() {
  const UniqueFd changes(must(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1"));
  must(::inotify_add_watch(changes.get(), log_.c_str(), IN_MODIFY), "inotify_add_watch");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (ready_line().empty()) {
    if (!daemon_.running()) {
      throw std::runtime_error(
          fmt::format("the daemon ended with status {}:\n{}", daemon_.wait().value_or(-1), log()));
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    std::array<pollfd, 2> events{
        pollfd{.fd = changes.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = daemon_.pidfd(), .events = POLLIN, .revents = 0},
    };
    if (left.count() <= 0 ||
        ::poll(events.data(), events.size(), static_cast<int>(left.count())) == 0) {
      throw std::runtime_error("the daemon doesn't say that it has mounted:\n" + log());
    }
    std::array<char, 4096> ignored{};
    (void)!::read(changes.get(), ignored.data(), ignored.size());
  }
  // The line comes just before the daemon serves: a first request waits for it.
  struct stat found{};
  ::stat(root_.c_str(), &found);
}

std::string Mount::log() const { return read_file(log_); }

std::string Mount::ready_line() const {
  std::istringstream lines(log());
  for (std::string line; std::getline(lines, line);) {
    if (line.contains(kReady) && line.contains(root_.string())) {
      return line;
    }
  }
  return {};
}

bool Mount::mounted() const { return !mounts_under(root_).empty(); }

int Mount::unmount() {
  if (setup_.user) {
    return run({"fusermount3", "-u", root_.string()}, {.user = setup_.user}).status;
  }
  if (::geteuid() != 0) {
    return run({"fusermount3", "-u", root_.string()}).status;
  }
  // A reader that was just killed may still hold it for a moment.
  int result = 0;
  eventually([&] {
    result = ::umount2(root_.c_str(), 0) == 0 ? 0 : errno;
    return result != EBUSY;
  });
  return result;
}

void Mount::force_end() {
  if (daemon_.running()) {
    daemon_.signal(SIGTERM);
    if (!daemon_.wait(kPatience)) {
      daemon_.signal(SIGKILL);
      daemon_.wait();
    }
  }
  while (mounted()) {
    if (::umount2(root_.c_str(), MNT_DETACH) != 0 &&
        run({"fusermount3", "-u", "-z", root_.string()}).status != 0) {
      fmt::print(stderr, "{} can't be unmounted\n", root_.string());
      return;
    }
  }
}

}  // namespace mmapdir::test
