// SPDX-License-Identifier: MIT
#include "fuse/reply.h"

#include <sys/random.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <ctime>

namespace mmapdirfs {
namespace {

timespec to_timespec(const statx_timestamp& time) {
  return {.tv_sec = time.tv_sec, .tv_nsec = static_cast<long>(time.tv_nsec)};
}

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return time.tv_sec;
}

// Part of a file handle, beside the node, so that one of another mount is known for what it is. The
// process has one mount; the kernel wants zero for the root.
std::uint64_t generation() {
  static const std::uint64_t drawn = [] {
    std::uint32_t number = 0;
    (void)::getrandom(&number, sizeof number, 0);
    return number | 1U;
  }();
  return drawn;
}

double seconds(CachePolicy::Time time) { return static_cast<double>(time.count()); }

}  // namespace

struct stat to_stat(const Attributes& attributes) {
  struct stat result{};
  result.st_ino = attributes.stx_ino;
  result.st_mode = attributes.stx_mode;
  result.st_nlink = attributes.stx_nlink;
  result.st_uid = attributes.stx_uid;
  result.st_gid = attributes.stx_gid;
  result.st_rdev = ::makedev(attributes.stx_rdev_major, attributes.stx_rdev_minor);
  result.st_size = static_cast<off_t>(attributes.stx_size);
  result.st_blksize = attributes.stx_blksize;
  result.st_blocks = static_cast<blkcnt_t>(attributes.stx_blocks);
  result.st_atim = to_timespec(attributes.stx_atime);
  result.st_mtim = to_timespec(attributes.stx_mtime);
  result.st_ctim = to_timespec(attributes.stx_ctime);
  return result;
}

double attribute_timeout(const Attributes& attributes, const CachePolicy& policy, bool is_watched,
                         bool may_be_mapped) {
  const bool may_lose_bits =
      S_ISREG(attributes.stx_mode) && (attributes.stx_mode & (S_ISUID | S_ISGID)) != 0;
  if (may_lose_bits || may_be_mapped) {
    return 0;
  }
  if (S_ISREG(attributes.stx_mode) && policy.distrusts(attributes.stx_ctime.tv_sec, now())) {
    return 0;
  }
  const bool has_one_name = S_ISDIR(attributes.stx_mode) || attributes.stx_nlink == 1;
  return seconds(policy.times(is_watched && has_one_name).attributes);
}

fuse_entry_param to_entry_param(const Entry& entry, const CachePolicy& policy) {
  fuse_entry_param param{};
  param.ino = static_cast<fuse_ino_t>(entry.node);
  param.generation = entry.node == kRootNode ? 0 : generation();
  param.attr = to_stat(entry.attributes);
  param.attr_timeout =
      attribute_timeout(entry.attributes, policy, entry.is_watched, entry.may_be_mapped);
  param.entry_timeout = entry.keeps_name ? seconds(policy.times(entry.parent_watched).names) : 0;
  return param;
}

fuse_entry_param to_absence(const CachePolicy& policy) {
  fuse_entry_param param{};  // node 0
  param.entry_timeout = seconds(policy.times(true).names);
  return param;
}

bool DirectoryReply::add(const DirectoryEntry& name, const Entry* entry) {
  const auto room = buffer_.subspan(used_);
  const auto next = static_cast<off_t>(name.next);
  // Node 0 names an entry without making the kernel look at it.
  fuse_entry_param param{};
  if (entry != nullptr) {
    param = to_entry_param(*entry, policy_);
  } else {
    param.attr.st_ino = name.inode;
    param.attr.st_mode = name.type;
  }
  const std::size_t need =
      form_ == Form::kEntries
          ? fuse_add_direntry_plus(req_, room.data(), room.size(), name.name, &param, next)
          : fuse_add_direntry(req_, room.data(), room.size(), name.name, &param.attr, next);
  if (need > room.size()) {
    return false;
  }
  used_ += need;
  return true;
}

}  // namespace mmapdirfs
