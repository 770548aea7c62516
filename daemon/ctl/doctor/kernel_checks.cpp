// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "ctl/doctor/machine_checks.h"
#include "ctl/doctor/machine_files.h"

namespace mmapdirfs::ctl {
namespace {

constexpr Version kOpenat2{.major = 5, .minor = 6};
constexpr Version kCachestat{.major = 6, .minor = 5};
constexpr Version kPassthrough{.major = 6, .minor = 9};
constexpr Version kIoUring{.major = 6, .minor = 14};
constexpr Version kFuseWithPassthrough{.major = 3, .minor = 17};
constexpr Version kFuseWithIoUring{.major = 3, .minor = 18};

bool is_root(const Machine& machine) { return machine.user == 0; }

bool says_user_allow_other(const Machine& machine) {
  std::istringstream lines(read_text(machine, "/etc/fuse.conf").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    line.erase(line.find_last_not_of(" \t") + 1);
    if (line == "user_allow_other") {
      return true;
    }
  }
  return false;
}

}  // namespace

Finding check_kernel(const Machine& machine) {
  const auto release = read_text(machine, "/proc/sys/kernel/osrelease").value_or("unknown");
  const auto found = fmt::format("Linux {}", release);
  const auto version = kernel_version(machine);
  if (version < kOpenat2) {
    return {.check = "kernel",
            .verdict = Verdict::kFail,
            .found = found,
            .advice = "mmapdirfs needs Linux 5.6 or newer (openat2)"};
  }
  if (version < kPassthrough) {
    return {.check = "kernel",
            .verdict = Verdict::kWarn,
            .found = found,
            .advice =
                "from Linux 6.9 on the kernel reads the source's files without the daemon "
                "(passthrough)"};
  }
  return {.check = "kernel", .verdict = Verdict::kOk, .found = found};
}

Finding check_device(const Machine& machine) {
  const auto path = locate(machine, "/dev/fuse");
  if (::access(path.c_str(), F_OK) != 0) {
    return {.check = "/dev/fuse",
            .verdict = Verdict::kFail,
            .found = "isn't there",
            .advice = "modprobe fuse; in a container hand it in (--device /dev/fuse)"};
  }
  if (::access(path.c_str(), R_OK | W_OK) != 0) {
    return {.check = "/dev/fuse",
            .verdict = Verdict::kFail,
            .found = "can't be read and written by this user",
            .advice = "chmod 0666 /dev/fuse, as udev does"};
  }
  return {.check = "/dev/fuse", .verdict = Verdict::kOk, .found = "can be opened"};
}

Finding check_fusermount(const Machine& machine) {
  constexpr std::array kPlaces = {"/usr/bin/fusermount3", "/bin/fusermount3"};
  struct stat found{};
  const bool is_there = std::ranges::any_of(kPlaces, [&](const char* place) {
    return ::stat(locate(machine, place).c_str(), &found) == 0;
  });
  if (is_there && (found.st_mode & S_ISUID) != 0) {
    return {.check = "fusermount3", .verdict = Verdict::kOk, .found = "set-user-id"};
  }
  return {.check = "fusermount3",
          .verdict = is_root(machine) ? Verdict::kWarn : Verdict::kFail,
          .found = is_there ? "isn't set-user-id" : "isn't there",
          .advice = is_there ? "only root can mount; chmod u+s it, or install fuse3 anew"
                             : "only root can mount; install the package fuse3"};
}

Finding check_allow_other(const Machine& machine) {
  const bool allowed = says_user_allow_other(machine);
  if (allowed || is_root(machine)) {
    return {.check = "user_allow_other",
            .verdict = Verdict::kOk,
            .found = allowed ? "stands in /etc/fuse.conf"
                             : "isn't in /etc/fuse.conf; root needs none for -o allow_other"};
  }
  return {.check = "user_allow_other",
          .verdict = Verdict::kWarn,
          .found = "isn't in /etc/fuse.conf",
          .advice = "your mounts are yours alone; for -o allow_other root adds that line"};
}

Finding check_libfuse(const Machine& machine) {
  const auto version = parse_version(machine.libfuse_version);
  if (version < kFuseWithPassthrough) {
    return {.check = "libfuse",
            .verdict = Verdict::kFail,
            .found = machine.libfuse_version,
            .advice = "mmapdirfs needs libfuse 3.17 or newer"};
  }
  if (version < kFuseWithIoUring) {
    return {.check = "libfuse",
            .verdict = Verdict::kOk,
            .found = machine.libfuse_version + "; without statx, which 3.18 adds"};
  }
  return {.check = "libfuse", .verdict = Verdict::kOk, .found = machine.libfuse_version};
}

Finding check_passthrough(const Machine& machine) {
  const auto warn = [](std::string found, std::string advice) {
    return Finding{.check = "passthrough",
                   .verdict = Verdict::kWarn,
                   .found = std::move(found),
                   .advice = std::move(advice)};
  };
  if (kernel_version(machine) < kPassthrough) {
    return warn("not in this kernel", "needs Linux 6.9; reads go through the daemon's mappings");
  }
  if (!in_initial_user_namespace(machine)) {
    return warn(
        "not in a user namespace of its own",
        "mount from outside the container, as root; reads go through the daemon's mappings");
  }
  if (!has_capability(machine, CAP_SYS_ADMIN)) {
    return warn("needs CAP_SYS_ADMIN",
                "mount as root; until then reads go through the daemon's mappings");
  }
  return {.check = "passthrough", .verdict = Verdict::kOk, .found = "can be had"};
}

Finding check_io_uring(const Machine& machine) {
  const auto parameter = read_text(machine, "/sys/module/fuse/parameters/enable_uring");
  const auto found = [&]() -> std::string {
    if (kernel_version(machine) < kIoUring || !parameter) {
      return "not in this kernel; --io-uring stays off";
    }
    return *parameter == "Y" ? "allowed; --io-uring=auto takes it"
                             : "not allowed; only --io-uring wants it: echo 1 > "
                               "/sys/module/fuse/parameters/enable_uring";
  }();
  return {.check = "io_uring", .verdict = Verdict::kOk, .found = found};
}

Finding check_cachestat(const Machine& machine) {
  if (machine.has_cachestat()) {
    return {.check = "cachestat", .verdict = Verdict::kOk, .found = "tells what is in memory"};
  }
  return {.check = "cachestat",
          .verdict = Verdict::kOk,
          .found = kernel_version(machine) < kCachestat
                       ? "not before Linux 6.5; files are mapped to tell what is in memory"
                       : "is forbidden here; files are mapped to tell what is in memory"};
}

}  // namespace mmapdirfs::ctl
