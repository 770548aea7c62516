// SPDX-License-Identifier: MIT
#include "preflight.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ranges>
#include <string_view>
#include <system_error>
#include <utility>

#include "mount_table.h"

namespace mmapdirfs {
namespace {

template <class... Args>
std::unexpected<StartError> refuse(fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(StartError{fmt::format(format, std::forward<Args>(args)...)});
}

std::unexpected<StartError> refuse_dead_mount(const char* what, const std::string& path) {
  return refuse(
      "{} '{}': the daemon of the mount there is dead; take it away first: "
      "fusermount3 -u '{}' (or umount)",
      what, path, path);
}

std::expected<std::string, StartError> canonical_directory(const char* what,
                                                           const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  if (error == std::errc::not_connected) {
    return refuse_dead_mount(what, path);
  }
  if (error) {
    return refuse("{} '{}': {}; allowed is a directory that is there", what, path, error.message());
  }
  return canonical.string();
}

std::expected<UniqueFd, StartError> open_directory(const char* what, const std::string& path,
                                                   int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return refuse("{} '{}': {}; allowed is a directory that you may read", what, path,
                  std::generic_category().message(errno));
  }
  return fd;
}

bool same_directory(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Climbs from `inner` to the root, across mounts, and looks for `outer` on the way: paths alone
// don't tell where bind mounts are about.
Result<bool> lies_within(int inner, int outer) {
  struct stat wanted{};
  struct stat here{};
  UniqueFd fd(::openat(inner, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fstat(outer, &wanted) != 0 || ::fstat(fd.get(), &here) != 0) {
    return std::unexpected(Error::from_errno(errno, "stat"));
  }
  while (!same_directory(here, wanted)) {
    UniqueFd parent(::openat(fd.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat above{};
    if (!parent || ::fstat(parent.get(), &above) != 0) {
      return std::unexpected(Error::from_errno(errno, "climb to the parent directory"));
    }
    if (same_directory(above, here)) {
      return false;  // the root is its own parent
    }
    fd = std::move(parent);
    here = above;
  }
  return true;
}

std::expected<void, StartError> check_apart(const MountPlan& plan, int mountpoint) {
  for (const auto& [inner, outer] :
       {std::pair(mountpoint, plan.root.get()), std::pair(plan.root.get(), mountpoint)}) {
    const auto inside = lies_within(inner, outer);
    if (!inside) {
      return refuse("compare '{}' and '{}': {}", plan.source, plan.mountpoint,
                    inside.error().message());
    }
    if (*inside) {
      return refuse(
          "source '{}' and mount point '{}' lie one inside the other: the daemon would "
          "wait for itself; mount elsewhere",
          plan.source, plan.mountpoint);
    }
  }
  return {};
}

bool is_in_path(std::string_view program) {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread as yet
  const std::string_view directories(path == nullptr ? "" : path);
  return std::ranges::any_of(std::views::split(directories, ':'), [&](const auto part) {
    const std::filesystem::path directory(part.begin(), part.end());
    return ::access((directory / program).c_str(), X_OK) == 0;
  });
}

// The kernel allows it to a mount whose permissions it checks itself, which root's always is; and
// who isn't root couldn't make files that belong to others.
std::expected<void, StartError> check_privilege(const Options& options) {
  if (options.idmap && ::geteuid() != 0) {
    return refuse("--idmap=on: only root's mounts can be idmapped; allowed is off for other users");
  }
  return {};
}

std::expected<void, StartError> check_tools() {
  if (::access("/dev/fuse", F_OK) != 0) {
    return refuse(
        "/dev/fuse: {}; load the kernel's module (modprobe fuse) or, in a container, "
        "hand the device in (--device /dev/fuse)",
        std::generic_category().message(errno));
  }
  if (::access("/dev/fuse", R_OK | W_OK) != 0) {
    return refuse("/dev/fuse: {}; it has to be readable and writable (mode 0666)",
                  std::generic_category().message(errno));
  }
  if (::geteuid() != 0 && !is_in_path("fusermount3")) {
    return refuse(
        "fusermount3 isn't in PATH, and without it only root may mount: install the "
        "package fuse3");
  }
  return {};
}

// Whether we show this very source there already; an error where it is another one, or nobody
// answers for it any more.
std::expected<bool, StartError> is_mounted(const MountPlan& plan) {
  const auto found = find_mount(plan.mountpoint);
  if (!found) {
    return refuse("{}", found.error().message());
  }
  const std::optional<MountEntry>& entry = *found;
  if (!entry || entry->type != kFilesystemType) {
    return false;
  }
  // Names and attributes of a dead mount stay in the kernel's cache for a while; this is never.
  // ECONNABORTED: its daemon was just killed, and the kernel was still letting go of its rings.
  struct statfs ignored{};
  if (::statfs(plan.mountpoint.c_str(), &ignored) != 0 &&
      (errno == ENOTCONN || errno == ECONNABORTED)) {
    return refuse_dead_mount("mount point", plan.mountpoint);
  }
  if (entry->source != plan.source) {
    return refuse("mount point '{}': mmapdirfs shows '{}' there already; unmount it first",
                  plan.mountpoint, entry->source);
  }
  return true;
}

// `exec`, `suid` and `dev` allow what the source's mount forbids.
std::vector<std::string> options_taken_over(unsigned long source_flags, const Options& options) {
  struct Rule {
    unsigned long flag;
    const char* forbids;
    const char* allows;
  };
  constexpr std::array<Rule, 3> kRules = {
      {{.flag = ST_NOEXEC, .forbids = "noexec", .allows = "exec"},
       {.flag = ST_NOSUID, .forbids = "nosuid", .allows = "suid"},
       {.flag = ST_NODEV, .forbids = "nodev", .allows = "dev"}}};
  std::vector<std::string> taken;
  for (const auto& [flag, forbids, allows] : kRules) {
    if ((source_flags & flag) != 0 && !options.has_mount_option(allows)) {
      taken.emplace_back(forbids);
    }
  }
  return taken;
}

std::expected<MountPlan, StartError> check_directories(const Options& options) {
  MountPlan plan;
  auto source = canonical_directory("source", options.source);
  if (!source) {
    return std::unexpected(source.error());
  }
  auto root = open_directory("source", *source, O_RDONLY);
  if (!root) {
    return std::unexpected(root.error());
  }
  auto mountpoint = canonical_directory("mount point", options.mountpoint);
  if (!mountpoint) {
    return std::unexpected(mountpoint.error());
  }
  plan.source = std::move(*source);
  plan.root = std::move(*root);
  plan.mountpoint = std::move(*mountpoint);
  const auto mounted = is_mounted(plan);
  if (!mounted) {
    return std::unexpected(mounted.error());
  }
  plan.is_mounted = *mounted;
  struct statvfs info{};
  if (::fstatvfs(plan.root.get(), &info) != 0) {
    return refuse("source '{}': ask for its mount's flags: {}", plan.source,
                  std::generic_category().message(errno));
  }
  plan.is_read_only = options.has_mount_option("ro") || (info.f_flag & ST_RDONLY) != 0;
  plan.taken_over = options_taken_over(info.f_flag, options);
  return plan;
}

}  // namespace

std::expected<MountPlan, StartError> check_mount(const Options& options) {
  auto plan = check_directories(options);
  if (!plan || plan->is_mounted) {
    return plan;
  }
  const auto mountpoint = open_directory("mount point", plan->mountpoint, O_PATH);
  if (!mountpoint) {
    return std::unexpected(mountpoint.error());
  }
  for (const auto& checked :
       {check_privilege(options), check_apart(*plan, mountpoint->get()), check_tools()}) {
    if (!checked) {
      return std::unexpected(checked.error());
    }
  }
  return plan;
}

bool is_stacked(int root) {
  struct statfs info{};
  constexpr decltype(info.f_type) kEcryptfs = 0xF15F;  // Linux, include/uapi/linux/magic.h
  return ::fstatfs(root, &info) == 0 &&
         (info.f_type == OVERLAYFS_SUPER_MAGIC || info.f_type == FUSE_SUPER_MAGIC ||
          info.f_type == kEcryptfs);
}

}  // namespace mmapdirfs
