// SPDX-License-Identifier: MIT
#include "ctl/mount_search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "ctl/printable.h"
#include "mount_table.h"

namespace mmapdirfs::ctl {
namespace {

// ECONNABORTED: its daemon was just killed, and the kernel is still letting go of it.
bool is_dead(int errnum) { return errnum == ENOTCONN || errnum == ECONNABORTED; }

// Names may still be kept of a dead mount; this is never.
int ask_file_system(const std::string& path) {
  struct statfs ignored{};
  return ::statfs(path.c_str(), &ignored) == 0 ? 0 : errno;
}

Failure dead_mount(const std::string& shown) {
  return {.message = fmt::format("'{0}': the daemon of this mount is dead; take the mount away "
                                 "with fusermount3 -u '{0}' (root: umount '{0}') and mount again",
                                 shown)};
}

// The mount of ours in which the path lies, deepest first; nothing where there is none.
std::optional<std::string> mount_above(const std::filesystem::path& path,
                                       const std::vector<MountEntry>& mounts) {
  for (auto directory = path; directory.has_relative_path(); directory = directory.parent_path()) {
    const auto found = std::ranges::find(mounts, directory.string(), &MountEntry::mountpoint);
    if (found != mounts.end()) {
      return found->mountpoint;
    }
  }
  return std::nullopt;
}

std::string list_of(const std::vector<MountEntry>& mounts) {
  if (mounts.empty()) {
    return "mmapdirfs has nothing mounted here";
  }
  std::vector<std::string> names;
  names.reserve(mounts.size());
  for (const auto& mount : mounts) {
    names.push_back(fmt::format("'{}'", printable(mount.mountpoint)));
  }
  return fmt::format("mmapdirfs is mounted on {}", fmt::join(names, ", "));
}

}  // namespace

Failure explain_missing(const std::string& mountpoint, const std::string& control_directory,
                        int errnum) {
  const auto shown = printable(mountpoint);
  if (is_dead(errnum) || is_dead(ask_file_system(mountpoint))) {
    return dead_mount(shown);
  }
  if (errnum == EACCES) {
    return {.message =
                fmt::format("'{}': permission denied; a mount without allow_other is for its "
                            "owner alone, also against root",
                            shown)};
  }
  std::error_code error;
  const auto path = std::filesystem::canonical(mountpoint, error);
  if (error) {
    return {.message = fmt::format("'{}': {}", shown, error.message())};
  }
  const auto mounts = mounts_of_type(kFilesystemType);
  const auto above = mount_above(path, mounts);
  if (!above) {
    return {.message = fmt::format("'{}' isn't a mount of mmapdirfs; {}", shown, list_of(mounts))};
  }
  if (*above != path) {
    return {.message = fmt::format("'{}' lies inside the mount '{}': give that", shown,
                                   printable(*above))};
  }
  return {.message =
              fmt::format("the mount '{}' has no control directory '{}': it was mounted with "
                          "another --control (then give it with -C NAME) or with "
                          "--control=off, or the source has such a name of its own",
                          shown, printable(control_directory))};
}

}  // namespace mmapdirfs::ctl
