// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace mmapdirfs {

// Whom a file belongs to, in the source's ids.
struct Owner {
  uid_t uid;
  gid_t gid;
};

// The process that a request comes from.
struct Caller {
  uid_t uid;
  gid_t gid;
  mode_t umask;
  pid_t thread = 0;  // 0 where the caller's processes aren't seen from here
  // Whom what the request makes belongs to, if not to uid and gid. The kernel, which knows the
  // caller's groups, has taken the set-group-id bit from it already where that may not stay.
  std::optional<Owner> owner_of_made = std::nullopt;
  // Whether the caller's groups are among those of the source.
  bool has_groups_of_source = true;
};

// What the kernel tells as a caller's ids where it tells none (FUSE_INVALID_UIDGID).
inline constexpr uid_t kUntold = static_cast<uid_t>(-1);

// The caller of a request on a mount that may be seen through idmapped mounts of it. Of these the
// kernel tells whom something that is made belongs to, and nothing with other requests, whichever
// mount they come by. So the caller is looked up: what a process may beyond what the
// kernel has checked (CAP_FSETID, quotas, the reserve) it may by the user that it really is, as on
// an idmapped mount of the source. Its groups say nothing on the source, as the mapping isn't known
// here, so it is taken to be in none. Who isn't found is nobody.
Caller caller_behind_mapping(Owner told, mode_t umask, pid_t thread);

// What becomes of the set-user-id and set-group-id bits of a file that is changed.
enum class SetIdBits {
  kGoByUser,  // root leaves them; whoever else changes the file takes them away
  kGo,        // also root takes them away, who may lack CAP_FSETID
  kStay,      // the change takes no bits away on a directory either
};

// Makes the calling thread act on the source as the caller does, for as long as it lives: what is
// made belongs to the caller, its umask (or the directory's default ACL) holds, and set-user-id
// bits go where the source would take them. What the caller may do has been checked by the kernel
// before, with its supplementary groups and capabilities, which this thread doesn't have: so the
// rights to enter and change any directory (CAP_DAC_OVERRIDE), to do what a file's owner may
// (CAP_FOWNER) and to make devices (CAP_MKNOD) stay.
// The right to exceed quotas and to use what is reserved for root (CAP_SYS_RESOURCE) doesn't.
//
// A daemon that isn't root can act as itself only, which then is the caller; just the umask is set.
// Never register a file for passthrough meanwhile: that has rights of its own (RegisteringFor).
//
// A resource type; one at a time in a thread.
class ActingAs {
 public:
  explicit ActingAs(const Caller& caller, SetIdBits bits = SetIdBits::kGoByUser);
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;
  ~ActingAs();

 private:
  bool switched_ = false;
};

// Puts the calling thread, for as long as it lives, into all the groups of the caller and takes
// CAP_FSETID from it, so that the source leaves a set-group-id bit to whom it would leave it: to
// who is in the file's group. Whoever is root, or nobody else's servant, stays as he is; and so
// does everybody where it isn't `needed`, since a caller's groups have to be read from /proc. A
// resource type; around ActingAs, not within it.
class InGroupsOf {
 public:
  InGroupsOf(const Caller& caller, bool needed);
  InGroupsOf(const InGroupsOf&) = delete;
  InGroupsOf& operator=(const InGroupsOf&) = delete;
  ~InGroupsOf();

 private:
  bool switched_ = false;
  std::vector<gid_t> own_;
};

// Whether the caller's groups are needed to change an open file, O_PATH or not: where it is a
// regular one, or a directory, with a set-group-id bit to lose.
bool needs_groups(const Caller& caller, int fd);

// Gives the calling thread, for as long as it lives, the rights that a file's passthrough I/O is to
// have, whoever comes to write the file: none to leave set-user-id and set-group-id bits on it
// (CAP_FSETID) or to exceed quotas (CAP_SYS_RESOURCE). Where the file system of `fd` keeps blocks
// back for a user, they are for the opener as they would be on the source.
//
// A resource type; not within ActingAs.
class RegisteringFor {
 public:
  RegisteringFor(const Caller& opener, int fd);
  RegisteringFor(const RegisteringFor&) = delete;
  RegisteringFor& operator=(const RegisteringFor&) = delete;
  ~RegisteringFor();

 private:
  bool switched_ = false;
};

// Calls `action` as the caller, with its groups where they are needed, and answers what it does.
// errno survives.
template <class Action>
auto acting_as(const Caller& caller, bool groups_needed, Action action) {
  const InGroupsOf in_groups(caller, groups_needed);
  const ActingAs acting(caller);
  return action();
}

}  // namespace mmapdirfs
