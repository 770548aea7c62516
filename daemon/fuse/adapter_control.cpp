// SPDX-License-Identifier: MIT
#include "fuse/adapter_control.h"

#include <cerrno>
#include <cstdint>

#include "fuse/link.h"
#include "fuse/reply.h"
#include "fuse/request.h"

namespace mmapdirfs {
namespace {

template <int kErrno, class... Args>
void answer(fuse_req_t req, Args... /*args*/) {
  reply_errno(req, kErrno);
}

template <class... Args>
void answer_none(fuse_req_t req, Args... /*args*/) {
  fuse_reply_none(req);
}

void answer_no_names(fuse_req_t req, fuse_ino_t /*node*/, std::size_t size) {
  size == 0 ? fuse_reply_xattr(req, 0) : fuse_reply_buf(req, nullptr, 0);
}

}  // namespace

template <class... Args, void (ControlAdapter::*Method)(fuse_req_t, Args...)>
struct ControlAdapter::Call<Method> {
  static void call(fuse_req_t req, Args... args) {
    (adapter_of(req).control()->*Method)(req, args...);
  }
};

fuse_lowlevel_ops ControlAdapter::operations() {
  fuse_lowlevel_ops ops{};
  ops.lookup = Call<&ControlAdapter::lookup>::call;
  ops.forget = answer_none;
  ops.getattr = Call<&ControlAdapter::getattr>::call;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  ops.statx = Call<&ControlAdapter::statx>::call;
#endif
  ops.access = Call<&ControlAdapter::access>::call;
  ops.readlink = answer<EINVAL>;
  ops.open = Call<&ControlAdapter::open>::call;
  ops.read = Call<&ControlAdapter::read>::call;
  ops.release = Call<&ControlAdapter::release>::call;
  ops.opendir = Call<&ControlAdapter::opendir>::call;
  ops.readdir = Call<&ControlAdapter::list<false>>::call;
  ops.readdirplus = Call<&ControlAdapter::list<true>>::call;
  ops.releasedir = answer<0>;
  ops.statfs = Call<&ControlAdapter::statfs>::call;
  ops.flush = answer<0>;
  ops.fsync = answer<0>;
  ops.fsyncdir = answer<0>;
  ops.lseek = answer<EINVAL>;  // the kernel asks only for holes and data
  ops.ioctl = Call<&ControlAdapter::ioctl>::call;
  ops.getxattr = answer<ENODATA>;
  ops.listxattr = answer_no_names;
  ops.getlk = answer<EOPNOTSUPP>;
  ops.setlk = answer<EOPNOTSUPP>;
  ops.flock = answer<EOPNOTSUPP>;
  ops.copy_file_range = answer<EXDEV>;  // the kernel then copies by reading
  ops.setattr = Call<&ControlAdapter::setattr>::call;
  ops.mknod = answer<EPERM>;
  ops.mkdir = answer<EPERM>;
  ops.unlink = answer<EPERM>;
  ops.rmdir = answer<EPERM>;
  ops.symlink = answer<EPERM>;
  ops.rename = answer<EPERM>;
  ops.link = answer<EPERM>;
  ops.create = answer<EPERM>;
  ops.tmpfile = answer<EPERM>;
  ops.write = Call<&ControlAdapter::write>::call;
  ops.fallocate = answer<EPERM>;
  ops.setxattr = answer<EPERM>;
  ops.removexattr = answer<EPERM>;
  return ops;
}

void ControlAdapter::lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const auto node = directory_.lookup(node_of(parent), name);
  if (!node) {
    return reply_error(req, node.error());
  }
  const auto attributes = directory_.attributes(*node);
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  fuse_entry_param param{};  // to be kept for no time
  param.ino = static_cast<fuse_ino_t>(*node);
  param.attr = to_stat(*attributes);
  fuse_reply_entry(req, &param);
}

void ControlAdapter::getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info* /*info*/) {
  const auto attributes = directory_.attributes(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  const struct stat result = to_stat(*attributes);
  fuse_reply_attr(req, &result, 0);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
void ControlAdapter::statx(fuse_req_t req, fuse_ino_t node, int /*flags*/, int /*mask*/,
                           fuse_file_info* /*info*/) {
  auto attributes = directory_.attributes(node_of(node));
  if (!attributes) {
    return reply_error(req, attributes.error());
  }
  fuse_reply_statx(req, 0, &*attributes, 0);
}
#endif

void ControlAdapter::access(fuse_req_t req, fuse_ino_t node, int mask) {
  reply_outcome(req, directory_.access(node_of(node), mask, caller_of(req).uid));
}

void ControlAdapter::open(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  if (ControlDirectory::is_for_commands(node_of(node))) {
    return open_commands(req, info);
  }
  const auto handle = directory_.open(node_of(node), info->flags, caller_of(req).uid);
  if (!handle) {
    return reply_error(req, handle.error());
  }
  info->fh = static_cast<std::uint64_t>(*handle);
  info->direct_io = 1;  // past the size, which is 0
  info->noflush = 1;
  if (fuse_reply_open(req, info) != 0) {
    directory_.release(*handle);  // the caller was killed: no release will come
  }
}

// What truncates the file in opening it, as a shell does, changes nothing.
void ControlAdapter::setattr(fuse_req_t req, fuse_ino_t node, struct stat* values, int which,
                             fuse_file_info* info) {
  constexpr int kOfTruncation = FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_CTIME | FUSE_SET_ATTR_MTIME |
                                FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_KILL_SUID |
                                FUSE_SET_ATTR_KILL_SGID;
  const bool truncates =
      (which & FUSE_SET_ATTR_SIZE) != 0 && values->st_size == 0 && (which & ~kOfTruncation) == 0;
  if (!truncates || !ControlDirectory::is_for_commands(node_of(node)) ||
      !ControlDirectory::may_command(caller_of(req).uid)) {
    return reply_errno(req, EPERM);
  }
  getattr(req, node, info);
}

void ControlAdapter::read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                          fuse_file_info* info) {
  if (ControlDirectory::is_for_commands(node_of(node))) {
    return read_answers(req, size, info);
  }
  const auto begin = static_cast<std::uint64_t>(offset);
  const auto view = reads_ == ControlReads::kByHandle
                        ? directory_.read(handle_of(info), begin, size)
                        : directory_.read(node_of(node), caller_of(req).uid, begin, size);
  if (!view) {
    return reply_error(req, view.error());
  }
  fuse_reply_buf(req, reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size());
}

void ControlAdapter::release(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  if (ControlDirectory::is_for_commands(node_of(node))) {
    sessions_.release(handle_of(info));
  } else {
    directory_.release(handle_of(info));
  }
  reply_errno(req, 0);
}

void ControlAdapter::opendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* info) {
  if (const auto listed = directory_.list(node_of(node)); !listed) {
    return reply_error(req, listed.error());
  }
  fuse_reply_open(req, info);
}

// Names only, in either form: they are looked up when somebody uses them.
template <bool kWithAttributes>
void ControlAdapter::list(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
                          fuse_file_info* /*info*/) {
  const auto listed = directory_.list(node_of(node));
  if (!listed) {
    return reply_error(req, listed.error());
  }
  constexpr auto kForm =
      kWithAttributes ? DirectoryReply::Form::kEntries : DirectoryReply::Form::kNames;
  const CachePolicy policy{CacheOptions{}};  // unused without attributes
  DirectoryReply reply(req, kForm, policy, scratch_of(size));
  const auto root = fs_.getattr(kRootNode);
  auto next = static_cast<std::uint64_t>(offset);
  for (; next < listed->size(); ++next) {
    const auto& [name, its_node, is_directory] = (*listed)[next];
    const std::uint64_t number =
        its_node == kRootNode && root ? root->stx_ino : static_cast<std::uint64_t>(its_node);
    const DirectoryEntry entry{.name = name.c_str(),
                               .inode = number,
                               .type = is_directory ? mode_t{S_IFDIR} : mode_t{S_IFREG},
                               .next = next + 1};
    if (!reply.add(entry, nullptr)) {
      break;
    }
  }
  fuse_reply_buf(req, reply.bytes().data(), reply.bytes().size());
}

void ControlAdapter::statfs(fuse_req_t req, fuse_ino_t /*node*/) {
  const auto result = fs_.statfs(kRootNode);
  if (!result) {
    return reply_error(req, result.error());
  }
  fuse_reply_statfs(req, &*result);
}

}  // namespace mmapdirfs
