// SPDX-License-Identifier: MIT
#include "fuse/counted_operations.h"

#include "fuse/link.h"
#include "fuse/running_operation.h"

namespace mmapdirfs {
namespace {

template <OperationKind kKind, auto kMember>
struct Counted;

template <OperationKind kKind, class... Args,
          void (*fuse_lowlevel_ops::*kMember)(fuse_req_t, Args...)>
struct Counted<kKind, kMember> {
  static void call(fuse_req_t req, Args... args) {
    const Link& link = link_of(req);
    const RunningOperation operation(link.counters, req, kKind);
    (link.operations.*kMember)(req, args...);
  }
};

template <OperationKind kKind, auto kMember>
void count(fuse_lowlevel_ops& operations) {
  if (operations.*kMember != nullptr) {
    operations.*kMember = Counted<kKind, kMember>::call;
  }
}

}  // namespace

fuse_lowlevel_ops counted(const fuse_lowlevel_ops& operations) {
  fuse_lowlevel_ops result = operations;
  count<OperationKind::kLookup, &fuse_lowlevel_ops::lookup>(result);
  count<OperationKind::kForget, &fuse_lowlevel_ops::forget>(result);
  count<OperationKind::kForgetMulti, &fuse_lowlevel_ops::forget_multi>(result);
  count<OperationKind::kGetattr, &fuse_lowlevel_ops::getattr>(result);
  count<OperationKind::kSetattr, &fuse_lowlevel_ops::setattr>(result);
  count<OperationKind::kAccess, &fuse_lowlevel_ops::access>(result);
  count<OperationKind::kReadlink, &fuse_lowlevel_ops::readlink>(result);
  count<OperationKind::kMknod, &fuse_lowlevel_ops::mknod>(result);
  count<OperationKind::kMkdir, &fuse_lowlevel_ops::mkdir>(result);
  count<OperationKind::kSymlink, &fuse_lowlevel_ops::symlink>(result);
  count<OperationKind::kLink, &fuse_lowlevel_ops::link>(result);
  count<OperationKind::kUnlink, &fuse_lowlevel_ops::unlink>(result);
  count<OperationKind::kRmdir, &fuse_lowlevel_ops::rmdir>(result);
  count<OperationKind::kRename, &fuse_lowlevel_ops::rename>(result);
  count<OperationKind::kOpen, &fuse_lowlevel_ops::open>(result);
  count<OperationKind::kCreate, &fuse_lowlevel_ops::create>(result);
  count<OperationKind::kTmpfile, &fuse_lowlevel_ops::tmpfile>(result);
  count<OperationKind::kRead, &fuse_lowlevel_ops::read>(result);
  count<OperationKind::kWrite, &fuse_lowlevel_ops::write>(result);
  count<OperationKind::kFallocate, &fuse_lowlevel_ops::fallocate>(result);
  count<OperationKind::kCopyFileRange, &fuse_lowlevel_ops::copy_file_range>(result);
  count<OperationKind::kLseek, &fuse_lowlevel_ops::lseek>(result);
  count<OperationKind::kFsync, &fuse_lowlevel_ops::fsync>(result);
  count<OperationKind::kFlush, &fuse_lowlevel_ops::flush>(result);
  count<OperationKind::kRelease, &fuse_lowlevel_ops::release>(result);
  count<OperationKind::kOpendir, &fuse_lowlevel_ops::opendir>(result);
  count<OperationKind::kReaddir, &fuse_lowlevel_ops::readdir>(result);
  count<OperationKind::kReaddirplus, &fuse_lowlevel_ops::readdirplus>(result);
  count<OperationKind::kFsyncdir, &fuse_lowlevel_ops::fsyncdir>(result);
  count<OperationKind::kReleasedir, &fuse_lowlevel_ops::releasedir>(result);
  count<OperationKind::kStatfs, &fuse_lowlevel_ops::statfs>(result);
  count<OperationKind::kGetxattr, &fuse_lowlevel_ops::getxattr>(result);
  count<OperationKind::kListxattr, &fuse_lowlevel_ops::listxattr>(result);
  count<OperationKind::kSetxattr, &fuse_lowlevel_ops::setxattr>(result);
  count<OperationKind::kRemovexattr, &fuse_lowlevel_ops::removexattr>(result);
  count<OperationKind::kGetlk, &fuse_lowlevel_ops::getlk>(result);
  count<OperationKind::kSetlk, &fuse_lowlevel_ops::setlk>(result);
  count<OperationKind::kFlock, &fuse_lowlevel_ops::flock>(result);
  count<OperationKind::kIoctl, &fuse_lowlevel_ops::ioctl>(result);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  count<OperationKind::kStatx, &fuse_lowlevel_ops::statx>(result);
#endif
  return result;
}

}  // namespace mmapdirfs
