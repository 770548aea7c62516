// SPDX-License-Identifier: MIT
#include "support/kernel_mount.h"

#include <sched.h>
#include <sys/mount.h>

#include <fstream>
#include <sstream>

#include "support/files.h"

namespace mmapdir::test {
namespace {

// /proc/self/mountinfo writes blanks and backslashes in octal (proc_pid_mountinfo(5)).
std::string unescaped(const std::string& field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      text += static_cast<char>(std::stoi(field.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      text += field[i];
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> mounts_under(const std::filesystem::path& directory) {
  std::vector<std::string> found;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string point;
    for (int field = 0; field < 5; ++field) {
      fields >> point;
    }
    point = unescaped(point);
    if (point == directory || point.starts_with((directory / "").string())) {
      found.push_back(point);
    }
  }
  return found;
}

KernelMount::KernelMount(const char* what, const std::filesystem::path& where, const char* type,
                         unsigned long flags, const char* options)
    : path_(where) {
  must(::mount(what, where.c_str(), type, flags, options), "mount on " + where.string());
}

KernelMount KernelMount::bind(const std::filesystem::path& what,
                              const std::filesystem::path& where) {
  return {what.c_str(), where, nullptr, MS_BIND, nullptr};
}

KernelMount KernelMount::bind_read_only(const std::filesystem::path& what,
                                        const std::filesystem::path& where) {
  // Two steps: mount(2) ignores the other flags while it binds. Devices and set-user-id programs
  // are as inert as on a FUSE mount.
  must(::mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr), "bind " + where.string());
  return {nullptr, where, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOSUID,
          nullptr};
}

KernelMount KernelMount::bind_without_access_times(const std::filesystem::path& what,
                                                   const std::filesystem::path& where) {
  must(::mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr), "bind " + where.string());
  return {nullptr, where, nullptr, MS_BIND | MS_REMOUNT | MS_NOATIME, nullptr};
}

KernelMount KernelMount::bind_with_flags(const std::filesystem::path& what,
                                         const std::filesystem::path& where, unsigned long flags) {
  must(::mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr), "bind " + where.string());
  return {nullptr, where, nullptr, MS_BIND | MS_REMOUNT | flags, nullptr};
}

KernelMount KernelMount::tmpfs(const std::filesystem::path& where, const std::string& options) {
  return {"tmpfs", where, "tmpfs", 0, options.c_str()};
}

KernelMount KernelMount::ramfs(const std::filesystem::path& where) {
  return {"ramfs", where, "ramfs", 0, nullptr};
}

KernelMount KernelMount::overlay(const std::filesystem::path& where, const std::string& options) {
  return {"overlay", where, "overlay", 0, options.c_str()};
}

bool KernelMount::try_to_make(Writability writability) const {
  const unsigned long read_only = writability == Writability::kReadOnly ? MS_RDONLY : 0;
  return ::mount(nullptr, path_.c_str(), nullptr, MS_BIND | MS_REMOUNT | read_only, nullptr) == 0;
}

KernelMount::~KernelMount() { ::umount2(path_.c_str(), MNT_DETACH); }

void enter_private_mount_namespace() {
  must(::unshare(CLONE_NEWNS), "unshare");
  must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
}

}  // namespace mmapdir::test
