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
#include <optional>
#include <vector>

#include "fs/thread_ids.h"

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

Caller caller_behind_mapping(Owner told, mode_t umask, pid_t thread) {
  constexpr uid_t kNobody = 65534;  // the kernel's own number for whom it can't name
  constexpr auto kNoGroup = static_cast<gid_t>(-2);  // no file's, unlike nobody's group
  const uid_t user = user_of_thread(thread).value_or(kNobody);
  return {.uid = user,
          .gid = user == 0 ? 0 : kNoGroup,
          .umask = umask,
          .thread = thread,
          .owner_of_made = told.uid == kUntold ? std::nullopt : std::optional(told),
          .has_groups_of_source = false};
}

ActingAs::ActingAs(const Caller& caller, SetIdBits bits) {
  set_thread_umask(caller.umask);
  const bool is_mapped = caller.owner_of_made.has_value();
  const auto [uid, gid] =
      caller.owner_of_made.value_or(Owner{.uid = caller.uid, .gid = caller.gid});
  const bool stays_root = caller.uid == 0 && uid == 0 && gid == 0 && bits != SetIdBits::kGo;
  if (::geteuid() != 0 || stays_root) {
    return;
  }
  switched_ = true;
  set_fsgid(gid);
  set_fsuid(uid);
  if (caller.uid != 0) {
    const bool bits_stay = bits == SetIdBits::kStay || is_mapped;
    set_effective_capabilities(bits_stay ? kDropped & ~bit(CAP_FSETID) : kDropped);
  } else {
    set_effective_capabilities(bits == SetIdBits::kGo ? bit(CAP_FSETID) : 0);
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
  if (!needed || caller.uid == 0 || caller.owner_of_made || ::geteuid() != 0) {
    return;
  }
  switched_ = true;
  own_ = own_groups();
  set_groups(caller.has_groups_of_source ? groups_of_thread(caller.thread) : std::vector<gid_t>());
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
