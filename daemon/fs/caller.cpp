// SPDX-License-Identifier: MIT
#include "fs/caller.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace mmapdirfs {
namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr std::uint32_t bit(unsigned capability) { return 1U << capability; }

// Of what the kernel takes from the effective set when fsuid leaves 0 (capabilities(7)): what isn't
// needed where the caller has it, or was asked about by the kernel before. And what lets a process
// exceed quotas. All are below 32.
constexpr std::uint32_t kDropped =
    bit(CAP_CHOWN) | bit(CAP_FSETID) | bit(CAP_LINUX_IMMUTABLE) | bit(CAP_SYS_RESOURCE);

// The wrappers of glibc set the ids of all threads. These are the calling thread's alone.
void set_fsuid(uid_t uid) { ::syscall(SYS_setfsuid, uid); }
void set_fsgid(gid_t gid) { ::syscall(SYS_setfsgid, gid); }
void set_groups(const std::vector<gid_t>& groups) {
  ::syscall(SYS_setgroups, groups.size(), groups.data());
}

std::vector<gid_t> own_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  groups.resize(static_cast<std::size_t>(
      std::max(::getgroups(static_cast<int>(groups.size()), groups.data()), 0)));
  return groups;
}

// Whether a thread has the number in /proc by which we know it. A process's NSpid has one number
// for each pid namespace from that of /proc down to its own.
bool proc_shows_own_numbers() {
  std::ifstream status("/proc/self/status");
  constexpr std::string_view kLabel = "NSpid:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kLabel)) {
      std::istringstream numbers(line.substr(kLabel.size()));
      pid_t number = 0;
      pid_t more = 0;
      return (numbers >> number) && number == ::getpid() && !(numbers >> more);
    }
  }
  return false;
}

// Of a thread that waits for our answer, so they can't change. None where they can't be read: of a
// thread outside of our pid namespace, or where /proc is another one's, whose threads of the same
// numbers are others.
std::vector<gid_t> groups_of(pid_t thread) {
  std::vector<gid_t> groups;
  static const bool shows_threads = proc_shows_own_numbers();
  if (thread == 0 || !shows_threads) {
    return groups;
  }
  std::ifstream status("/proc/" + std::to_string(thread) + "/status");
  constexpr std::string_view kLabel = "Groups:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kLabel)) {
      std::istringstream numbers(line.substr(kLabel.size()));
      for (gid_t group = 0; numbers >> group;) {
        groups.push_back(group);
      }
      break;
    }
  }
  return groups;
}

constexpr __user_cap_header_struct kThisThread{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};

CapabilitySets own_capabilities() {
  __user_cap_header_struct header = kThisThread;
  CapabilitySets sets{};
  ::syscall(SYS_capget, &header, sets.data());
  return sets;
}

// Lowering the effective set, or raising it to what is permitted, can't fail.
void set_effective_capabilities(std::uint32_t dropped) {
  thread_local const CapabilitySets own = own_capabilities();
  __user_cap_header_struct header = kThisThread;
  CapabilitySets sets = own;
  sets[0].effective = own[0].permitted & ~dropped;
  ::syscall(SYS_capset, &header, sets.data());
}

// A process has one umask, unless a thread has unshared its own.
void set_thread_umask(mode_t mask) {
  thread_local const bool own = ::unshare(CLONE_FS) == 0;
  thread_local mode_t present = ::umask(mask);
  if (own && present != mask) {
    ::umask(mask);
    present = mask;
  }
}

// ext2 to ext4 and F2FS let the owner of their reserve (tune2fs -u; root) use it by his fsuid, also
// without a capability. Elsewhere a foreign fsuid might be refused the I/O, as by an NFS server.
bool reserves_by_user(int fd) {
  struct statfs found{};
  return ::fstatfs(fd, &found) == 0 &&
         (found.f_type == EXT4_SUPER_MAGIC || found.f_type == F2FS_SUPER_MAGIC);
}

}  // namespace

ActingAs::ActingAs(const Caller& caller, SetIdBits bits) {
  set_thread_umask(caller.umask);
  const bool is_root = caller.uid == 0 && caller.gid == 0;
  if (::geteuid() != 0 || (is_root && bits != SetIdBits::kGo)) {
    return;
  }
  switched_ = true;
  set_fsgid(caller.gid);
  set_fsuid(caller.uid);
  if (caller.uid != 0) {
    set_effective_capabilities(bits == SetIdBits::kStay ? kDropped & ~bit(CAP_FSETID) : kDropped);
  } else if (bits == SetIdBits::kGo) {
    set_effective_capabilities(bit(CAP_FSETID));
  }
}

ActingAs::~ActingAs() {
  if (switched_) {
    const int saved = errno;
    set_fsuid(0);
    set_fsgid(0);
    set_effective_capabilities(0);
    errno = saved;
  }
}

InGroupsOf::InGroupsOf(const Caller& caller, bool needed) {
  if (!needed || caller.uid == 0 || ::geteuid() != 0) {
    return;
  }
  switched_ = true;
  own_ = own_groups();
  set_groups(groups_of(caller.thread));
  set_fsgid(caller.gid);
  set_effective_capabilities(bit(CAP_FSETID));
}

InGroupsOf::~InGroupsOf() {
  if (switched_) {
    const int saved = errno;
    set_effective_capabilities(0);
    set_fsgid(0);
    set_groups(own_);
    errno = saved;
  }
}

bool needs_groups(const Caller& caller, int fd) {
  struct stat found{};
  return caller.uid != 0 && ::fstat(fd, &found) == 0 &&
         (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) && (found.st_mode & S_ISGID) != 0;
}

RegisteringFor::RegisteringFor(const Caller& opener, int fd) {
  if (opener.uid != 0 && ::geteuid() == 0 && reserves_by_user(fd)) {
    switched_ = true;
    set_fsgid(opener.gid);
    set_fsuid(opener.uid);
  }
  set_effective_capabilities(bit(CAP_FSETID) | bit(CAP_SYS_RESOURCE));
}

RegisteringFor::~RegisteringFor() {
  if (switched_) {
    set_fsuid(0);
    set_fsgid(0);
  }
  set_effective_capabilities(0);
}

}  // namespace mmapdirfs
