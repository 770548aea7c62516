// SPDX-License-Identifier: MIT
#include <cstddef>
#include <optional>
#include <span>

#include "fuse/adapter_waits.h"
#include "fuse/invalidator.h"
#include "fuse/reply.h"
#include "fuse/request.h"

namespace mmapdirfs {
namespace {

// libfuse passes this on from 3.18.3 on. It tells root without CAP_FSETID from other root; nobody
// else needs it.
bool kills_privileges([[maybe_unused]] const fuse_file_info& info) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  return info.kill_suidgid != 0;
#else
  return false;
#endif
}

AttributeChange to_change(const struct stat& values, int which) {
  AttributeChange change;
  const auto has = [which](int bit) { return (which & bit) != 0; };
  if (has(FUSE_SET_ATTR_MODE)) {
    change.mode = values.st_mode & ~static_cast<mode_t>(S_IFMT);
  }
  if (has(FUSE_SET_ATTR_UID)) {
    change.owner = values.st_uid;
  }
  if (has(FUSE_SET_ATTR_GID)) {
    change.group = values.st_gid;
  }
  if (has(FUSE_SET_ATTR_SIZE)) {
    change.size = values.st_size;
  }
  if (has(FUSE_SET_ATTR_ATIME)) {
    change.access_time = values.st_atim;
  }
  if (has(FUSE_SET_ATTR_MTIME)) {
    change.modification_time = values.st_mtim;
  }
  if (has(FUSE_SET_ATTR_ATIME_NOW)) {
    change.access_time.tv_nsec = UTIME_NOW;
  }
  if (has(FUSE_SET_ATTR_MTIME_NOW)) {
    change.modification_time.tv_nsec = UTIME_NOW;
  }
  return change;
}

}  // namespace

void Adapter::setattr(fuse_req_t req, fuse_ino_t node, struct stat* values, int which,
                      fuse_file_info* info) {
  const auto handle = info == nullptr ? std::nullopt : std::optional(handle_of(info));
  const bool may_be_mapped = fs_.may_be_mapped(node_of(node));
  const AttributeChange change = to_change(*values, which);
  const Caller caller = caller_of(req);
  const auto attributes = fs_.setattr(node_of(node), handle, change, caller);
  if (attributes || !may_be_leased(attributes.error())) {
    return reply_changed(req, node, attributes, may_be_mapped);
  }
  wait_for_lease<Attributes>(
      req,
      [this, node, handle, change, caller] {
        return fs_.setattr(node_of(node), handle, change, caller, OnLease::kWait);
      },
      [this, req, node, may_be_mapped](const auto& later) {
        reply_changed(req, node, later, may_be_mapped);
      });
}

void Adapter::reply_changed(fuse_req_t req, fuse_ino_t node, const Result<Attributes>& attributes,
                            bool may_be_mapped) {
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  // The kernel takes this answer for the newest, whatever was reported while it was under way: so
  // where changes are reported it is good for once.
  const bool is_watched = policy_.watches() && fs_.is_watched(node_of(node));
  const struct stat result = to_stat(*attributes);
  fuse_reply_attr(req, &result,
                  is_watched ? 0 : attribute_timeout(*attributes, policy_, false, may_be_mapped));
}

void Adapter::mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
                    dev_t device) {
  reply_entry(req, fs_.mknod(node_of(parent), name, mode, device, caller_of(req)));
}

void Adapter::mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  reply_entry(req, fs_.mkdir(node_of(parent), name, mode, caller_of(req)));
}

void Adapter::symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  reply_entry(req, fs_.symlink(node_of(parent), name, target, caller_of(req)));
}

void Adapter::link(fuse_req_t req, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
  reply_entry(req, fs_.link(node_of(node), node_of(new_parent), new_name));
}

void Adapter::unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  reply_outcome(req, fs_.unlink(node_of(parent), name));
}

void Adapter::rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  reply_outcome(req, fs_.rmdir(node_of(parent), name));
}

void Adapter::rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                     const char* new_name, unsigned flags) {
  reply_outcome(
      req, fs_.rename(node_of(parent), name, node_of(new_parent), new_name, flags, caller_of(req)));
}

void Adapter::create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
                     fuse_file_info* info) {
  reply_created(req, fs_.create(node_of(parent), name, mode, info->flags, caller_of(req)), info);
}

void Adapter::tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  reply_created(req, fs_.tmpfile(node_of(parent), mode, info->flags, caller_of(req)), info);
}

void Adapter::reply_created(fuse_req_t req, const Result<CreatedFile>& created,
                            fuse_file_info* info) {
  if (!created) {
    note_refused_open(created.error());
    return reply_error(req, created.error());
  }
  describe(created->file, *info);
  const auto param = to_entry_param(created->entry, policy_);
  if (fuse_reply_create(req, &param, info) != 0) {
    fs_.release(created->file.handle);
    fs_.forget(created->entry.node, 1);
  }
}

void Adapter::write(fuse_req_t req, fuse_ino_t /*node*/, const char* bytes, std::size_t size,
                    off_t offset, fuse_file_info* info) {
  const auto caller = info->writepage != 0 ? std::nullopt : std::optional(caller_of(req));
  const WriteMode mode{.flags = info->flags, .kill_privileges = kills_privileges(*info)};
  const auto written = fs_.write(handle_of(info), static_cast<std::uint64_t>(offset),
                                 std::as_bytes(std::span(bytes, size)), mode, caller);
  if (!written) {
    return reply_error(req, written.error());
  }
  note_bytes(req, *written);
  fuse_reply_write(req, *written);
}

void Adapter::fallocate(fuse_req_t req, fuse_ino_t /*node*/, int mode, off_t offset, off_t length,
                        fuse_file_info* info) {
  reply_outcome(req, fs_.fallocate(handle_of(info), mode, offset, length, caller_of(req)));
}

void Adapter::copy_file_range(fuse_req_t req, fuse_ino_t /*from*/, off_t from_offset,
                              fuse_file_info* from_info, fuse_ino_t /*to*/, off_t to_offset,
                              fuse_file_info* to_info, std::size_t length, int /*flags*/) {
  const auto copied = fs_.copy_file_range(handle_of(from_info), from_offset, handle_of(to_info),
                                          to_offset, length, caller_of(req));
  if (!copied) {
    return reply_error(req, copied.error());
  }
  note_bytes(req, *copied);
  fuse_reply_write(req, *copied);
}

void Adapter::flush(fuse_req_t req, fuse_ino_t /*node*/, fuse_file_info* info) {
  reply_outcome(req, fs_.flush(handle_of(info), owner_of(info)));
}

void Adapter::ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void* /*argument*/,
                    fuse_file_info* info, unsigned flags, const void* in, std::size_t in_size,
                    std::size_t out_size) {
  const bool is_directory = (flags & FUSE_IOCTL_DIR) != 0;
  const auto target = is_directory ? directory_of(node, info) : file_of(node, info);
  if (!target) {
    return reply_error(req, target.error());
  }
  const auto out = scratch_of(out_size);
  const auto done = fs_.ioctl(target->id, is_directory, command,
                              std::span(static_cast<const char*>(in), in_size), out);
  if (!done) {
    return reply_error(req, done.error());
  }
  if (out.empty()) {
    invalidator_.forget_attributes(node_of(node));  // it set something, which moves the ctime
  }
  fuse_reply_ioctl(req, 0, out.data(), out.size());
}

void Adapter::setxattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value,
                       std::size_t size, int flags) {
  reply_outcome(req,
                fs_.setxattr(node_of(node), name, std::span(value, size), flags, caller_of(req)));
}

void Adapter::removexattr(fuse_req_t req, fuse_ino_t node, const char* name) {
  reply_outcome(req, fs_.removexattr(node_of(node), name));
}

}  // namespace mmapdirfs
