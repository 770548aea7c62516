// SPDX-License-Identifier: MIT
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <new>
#include <tuple>

#include "fuse/adapter.h"
#include "fuse/adapter_control.h"
#include "fuse/link.h"
#include "fuse/request.h"

namespace mmapdirfs {
namespace {

// Where a request names what it is about: the place of a node among its arguments, or of a
// directory with a name behind it.
template <std::size_t kPlace>
struct Node {
  template <class... Args>
  static bool is_control(const ControlAdapter& /*control*/, const std::tuple<Args...>& args) {
    return ControlAdapter::has(std::get<kPlace>(args));
  }
};

template <std::size_t kPlace>
struct Name {
  template <class... Args>
  static bool is_control(const ControlAdapter& control, const std::tuple<Args...>& args) {
    return ControlAdapter::has(std::get<kPlace>(args)) ||
           control.is_named(std::get<kPlace>(args), std::get<kPlace + 1>(args));
  }
};

// The wall where exceptions end, and the one place where what concerns the control directory goes
// there: to the same member of its own table. A method throws only before it replies.
template <auto Member, auto Method, class... Places>
struct Operation;

template <class... Args, void (*fuse_lowlevel_ops::*Member)(fuse_req_t, Args...),
          void (Adapter::*Method)(fuse_req_t, Args...), class... Places>
struct Operation<Member, Method, Places...> {
  static void call(fuse_req_t req, Args... args) {
    try {
      Adapter& adapter = adapter_of(req);
      const ControlAdapter* const control = adapter.control();
      if (control != nullptr && (Places::is_control(*control, std::tie(args...)) || ...)) {
        static const auto of_control = ControlAdapter::operations().*Member;
        of_control(req, args...);
      } else {
        (adapter.*Method)(req, args...);
      }
    } catch (const std::exception& error) {
      reply_errno(req, errno_of(error));
    }
  }
};

template <auto Member, auto Method, class... Places>
void route(fuse_lowlevel_ops& ops) {
  ops.*Member = Operation<Member, Method, Places...>::call;
}

// A read-only mount's kernel answers by itself; this is for one that was remounted read-write.
template <class... Args>
void refuse_change(fuse_req_t req, Args... /*args*/) {
  reply_errno(req, EROFS);
}

// ENOSYS, once, and the kernel asks no more.
template <class... Args>
void need_no_message(fuse_req_t req, Args... /*args*/) {
  reply_errno(req, ENOSYS);
}

}  // namespace

int errno_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return ENOMEM;
  }
  spdlog::critical("a bug in mmapdirfs: {}", error.what());
  return EIO;
}

fuse_lowlevel_ops Adapter::operations() const {
  fuse_lowlevel_ops ops{};
  ops.init = [](void* self, fuse_conn_info* connection) {
    static_cast<Link*>(self)->adapter.init(*connection);
  };
  route<&fuse_lowlevel_ops::lookup, &Adapter::lookup, Name<0>>(ops);
  route<&fuse_lowlevel_ops::forget, &Adapter::forget, Node<0>>(ops);
  route<&fuse_lowlevel_ops::forget_multi, &Adapter::forget_multi>(ops);
  route<&fuse_lowlevel_ops::getattr, &Adapter::getattr, Node<0>>(ops);
  route<&fuse_lowlevel_ops::access, &Adapter::access, Node<0>>(ops);
  route<&fuse_lowlevel_ops::readlink, &Adapter::readlink, Node<0>>(ops);
  route<&fuse_lowlevel_ops::open, &Adapter::open, Node<0>>(ops);
  route<&fuse_lowlevel_ops::read, &Adapter::read, Node<0>>(ops);
  route<&fuse_lowlevel_ops::lseek, &Adapter::lseek, Node<0>>(ops);
  route<&fuse_lowlevel_ops::fsync, &Adapter::fsync, Node<0>>(ops);
  route<&fuse_lowlevel_ops::flush, &Adapter::flush, Node<0>>(ops);
  route<&fuse_lowlevel_ops::release, &Adapter::release, Node<0>>(ops);
  route<&fuse_lowlevel_ops::opendir, &Adapter::opendir, Node<0>>(ops);
  route<&fuse_lowlevel_ops::readdir, &Adapter::readdir, Node<0>>(ops);
  route<&fuse_lowlevel_ops::readdirplus, &Adapter::readdirplus, Node<0>>(ops);
  route<&fuse_lowlevel_ops::fsyncdir, &Adapter::fsyncdir, Node<0>>(ops);
  route<&fuse_lowlevel_ops::releasedir, &Adapter::releasedir, Node<0>>(ops);
  route<&fuse_lowlevel_ops::statfs, &Adapter::statfs, Node<0>>(ops);
  route<&fuse_lowlevel_ops::getxattr, &Adapter::getxattr, Node<0>>(ops);
  route<&fuse_lowlevel_ops::listxattr, &Adapter::listxattr, Node<0>>(ops);
  route<&fuse_lowlevel_ops::getlk, &Adapter::getlk, Node<0>>(ops);
  route<&fuse_lowlevel_ops::setlk, &Adapter::setlk, Node<0>>(ops);
  route<&fuse_lowlevel_ops::flock, &Adapter::flock, Node<0>>(ops);
  route<&fuse_lowlevel_ops::ioctl, &Adapter::ioctl, Node<0>>(ops);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  route<&fuse_lowlevel_ops::statx, &Adapter::statx, Node<0>>(ops);
#endif
  if (negotiation_.access == Access::kReadOnly) {
    ops.setattr = refuse_change;
    ops.mknod = refuse_change;
    ops.mkdir = refuse_change;
    ops.unlink = refuse_change;
    ops.rmdir = refuse_change;
    ops.symlink = refuse_change;
    ops.rename = refuse_change;
    ops.link = refuse_change;
    ops.create = refuse_change;
    ops.tmpfile = refuse_change;
    ops.write = refuse_change;
    ops.fallocate = refuse_change;
    ops.copy_file_range = refuse_change;
    ops.setxattr = refuse_change;
    ops.removexattr = refuse_change;
  } else {
    route<&fuse_lowlevel_ops::setattr, &Adapter::setattr, Node<0>>(ops);
    route<&fuse_lowlevel_ops::mknod, &Adapter::mknod, Name<0>>(ops);
    route<&fuse_lowlevel_ops::mkdir, &Adapter::mkdir, Name<0>>(ops);
    route<&fuse_lowlevel_ops::unlink, &Adapter::unlink, Name<0>>(ops);
    route<&fuse_lowlevel_ops::rmdir, &Adapter::rmdir, Name<0>>(ops);
    route<&fuse_lowlevel_ops::symlink, &Adapter::symlink, Name<1>>(ops);
    route<&fuse_lowlevel_ops::rename, &Adapter::rename, Name<0>, Name<2>>(ops);
    route<&fuse_lowlevel_ops::link, &Adapter::link, Node<0>, Name<1>>(ops);
    route<&fuse_lowlevel_ops::create, &Adapter::create, Name<0>>(ops);
    route<&fuse_lowlevel_ops::tmpfile, &Adapter::tmpfile, Node<0>>(ops);
    // From the buffer: splicing a request's bytes into the file (write_buf) was 0.89 to 0.96 times
    // as fast with 1 MiB, and 0.8 times with 4 KiB, on ext4 and Linux 6.18.
    route<&fuse_lowlevel_ops::write, &Adapter::write, Node<0>>(ops);
    route<&fuse_lowlevel_ops::fallocate, &Adapter::fallocate, Node<0>>(ops);
    route<&fuse_lowlevel_ops::copy_file_range, &Adapter::copy_file_range, Node<0>, Node<3>>(ops);
    route<&fuse_lowlevel_ops::setxattr, &Adapter::setxattr, Node<0>>(ops);
    route<&fuse_lowlevel_ops::removexattr, &Adapter::removexattr, Node<0>>(ops);
  }
  if (negotiation_.opens_without_message) {
    ops.open = need_no_message;
    ops.flush = need_no_message;  // nothing was written, and no lock is held
    // Without these the kernel keeps locks to itself.
    ops.getlk = nullptr;
    ops.setlk = nullptr;
    ops.flock = nullptr;
  }
  return ops;
}

}  // namespace mmapdirfs
