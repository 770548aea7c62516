// SPDX-License-Identifier: MIT
#include "fs/caller.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace mmapdirfs {
namespace {

using CapabilitySets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr std::uint32_t bit(unsigned capability) { return 1U << capability; }

// What the kernel takes from the effective set when fsuid leaves 0 (capabilities(7)), but for
// CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, and what lets a process exceed quotas. All are
// below 32.
constexpr std::uint32_t kDropped = bit(CAP_CHOWN) | bit(CAP_FOWNER) | bit(CAP_FSETID) |
                                   bit(CAP_LINUX_IMMUTABLE) | bit(CAP_MKNOD) |
                                   bit(CAP_SYS_RESOURCE);

// The wrappers of glibc set the ids of all threads. These are the calling thread's alone.
void set_fsuid(uid_t uid) { ::syscall(SYS_setfsuid, uid); }
void set_fsgid(gid_t gid) { ::syscall(SYS_setfsgid, gid); }

constexpr __user_cap_header_struct kThisThread{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};

CapabilitySets own_capabilities() {
  __user_cap_header_struct header = kThisThread;
  CapabilitySets sets{};
  ::syscall(SYS_capget, &header, sets.data());
  return sets;
}

// Lowering the effective set, or raising it to what is permitted, can't fail.
void set_effective_capabilities(std::uint32_t dropped) {
  thread_local const CapabilitySets kOwn = own_capabilities();
  __user_cap_header_struct header = kThisThread;
  CapabilitySets sets = kOwn;
  sets[0].effective = kOwn[0].permitted & ~dropped;
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

ActingAs::ActingAs(const Caller& caller) {
  set_thread_umask(caller.umask);
  if (::geteuid() != 0 || (caller.uid == 0 && caller.gid == 0)) {
    return;
  }
  switched_ = true;
  set_fsgid(caller.gid);
  set_fsuid(caller.uid);
  if (caller.uid != 0) {
    set_effective_capabilities(kDropped);
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
