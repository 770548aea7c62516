// SPDX-License-Identifier: MIT
// Where the mount can't be as the directory, since the kernel's side of FUSE doesn't let it: these
// are the README's exceptions. A test that fails here because the two agree is good news: take the
// exception out, here and there.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/xattr.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <sstream>

#include "parity_answer.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Newer than the headers of Debian 12.
constexpr int kNoAppend = 0x20;   // RWF_NOAPPEND, Linux 6.9
constexpr int kDontCache = 0x80;  // RWF_DONTCACHE, Linux 6.14

enum class Where { kEverywhere, kPassthrough, kNotPassthrough };

struct Exception {
  const char* name;
  Where where;
  int flags;
  std::function<long(int fd)> call;
  const char* on_directory;
  const char* on_mount;
};

template <class Operation>
long transfer(const Operation& operation, int fd, off_t offset, int flags) {
  std::array<char, 10> bytes{};
  const iovec piece{.iov_base = bytes.data(), .iov_len = bytes.size()};
  return operation(fd, &piece, 1, offset, flags);
}

// Whether ten bytes written at the beginning of a file that appends went to its end: its size. Not
// by lseek: where the file's attributes are just being invalidated the kernel seeks by the size
// that it knew before.
long size_after_write(int fd, int flags) {
  (void)transfer(::pwritev2, fd, 0, flags);
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_size;
}

void set_capability(int fd) {
  vfs_cap_data capability{};
  capability.magic_etc = VFS_CAP_REVISION_2;
  capability.data[0].permitted = 1U << CAP_NET_RAW;
  must(::fsetxattr(fd, XATTR_NAME_CAPS, &capability, sizeof capability, 0), "fsetxattr");
}

void store_in_mapping(int fd) {
  constexpr std::size_t kPage = 4'096;
  void* const mapped = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(mapped == MAP_FAILED ? -1 : 0, "mmap");
  *static_cast<char*>(mapped) = 's';
  must(::msync(mapped, kPage, MS_SYNC), "msync");
  must(::munmap(mapped, kPage), "munmap");
}

const std::array exceptions{
    Exception{.name = "FALLOC_FL_COLLAPSE_RANGE: FUSE passes on three modes only",
              .where = Where::kEverywhere,
              .flags = O_RDWR,
              .call = [](int fd) { return ::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4'096); },
              .on_directory = "0",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "FALLOC_FL_INSERT_RANGE: FUSE passes on three modes only",
              .where = Where::kEverywhere,
              .flags = O_RDWR,
              .call = [](int fd) { return ::fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4'096); },
              .on_directory = "0",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "RWF_NOWAIT: FUSE files don't offer it",
              .where = Where::kEverywhere,
              .flags = O_RDONLY,
              .call =
                  [](int fd) {
                    (void)transfer(::preadv2, fd, 0, 0);  // so that the page is there
                    return transfer(::preadv2, fd, 0, RWF_NOWAIT);
                  },
              .on_directory = "10",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "RWF_DONTCACHE: FUSE files don't offer it",
              .where = Where::kEverywhere,
              .flags = O_RDWR,
              .call = [](int fd) { return transfer(::pwritev2, fd, 0, kDontCache); },
              .on_directory = "10",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "RWF_NOAPPEND: FUSE doesn't pass it on",
              .where = Where::kEverywhere,
              .flags = O_RDWR | O_APPEND,
              .call = [](int fd) { return size_after_write(fd, kNoAppend); },
              .on_directory = "12288",
              .on_mount = "12298"},
    Exception{.name = "sendfile out of what appends: no pages of its own in passthrough",
              .where = Where::kPassthrough,
              .flags = O_RDWR | O_APPEND,
              .call =
                  [](int fd) {
                    const UniqueFd null = open_fd("/dev/null", O_WRONLY);
                    off_t offset = 0;
                    return ::sendfile(null.get(), fd, &offset, 10);
                  },
              .on_directory = "10",
              .on_mount = "EINVAL"},
    Exception{.name = "O_DIRECT at any address: the daemon reads by its own means",
              .where = Where::kEverywhere,
              .flags = O_RDONLY | O_DIRECT,
              .call = [](int fd) { return transfer(::preadv2, fd, 1, 0); },
              .on_directory = "EINVAL",
              .on_mount = "10"},
    Exception{.name = "security.capability: what was stored in a mapping comes as a write",
              .where = Where::kNotPassthrough,
              .flags = O_RDWR,
              .call =
                  [](int fd) {
                    set_capability(fd);
                    store_in_mapping(fd);
                    return ::fgetxattr(fd, XATTR_NAME_CAPS, nullptr, 0);
                  },
              .on_directory = "20",
              .on_mount = "ENODATA"},
    Exception{.name = "FIEMAP: FUSE has no such request",
              .where = Where::kEverywhere,
              .flags = O_RDONLY,
              .call =
                  [](int fd) {
                    fiemap map{};
                    map.fm_length = 1;
                    return ::ioctl(fd, FS_IOC_FIEMAP, &map);
                  },
              .on_directory = "0",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "security.selinux: where there is no SELinux, no file can have it",
              .where = Where::kEverywhere,
              .flags = O_RDONLY,
              .call = [](int fd) { return ::fgetxattr(fd, "security.selinux", nullptr, 0); },
              .on_directory = "ENODATA",
              .on_mount = "EOPNOTSUPP"},
    Exception{.name = "_PC_LINK_MAX: the C library knows no FUSE source's",
              .where = Where::kEverywhere,
              .flags = O_RDONLY,
              .call = [](int fd) { return ::fpathconf(fd, _PC_LINK_MAX); },
              .on_directory = "65000",
              .on_mount = "127"},
    Exception{.name = "statfs: the type is FUSE's",
              .where = Where::kEverywhere,
              .flags = O_RDONLY,
              .call =
                  [](int fd) {
                    struct statfs found{};
                    must(::fstatfs(fd, &found), "fstatfs");
                    return static_cast<long>(found.f_type);
                  },
              .on_directory = "61267",
              .on_mount = "1702057286"},
};

bool applies(const Exception& exception, bool passthrough) {
  return exception.where == Where::kEverywhere ||
         (exception.where == Where::kPassthrough) == passthrough;
}

std::string answer_of(const Exception& exception, const Path& directory) {
  const Path path = directory / "file";
  write_file(path, pattern(12'288, 1));
  return opened(path, exception.flags,
                [&](int fd) { return answer([&] { return exception.call(fd); }); });
}

TEST_CASE("What FUSE keeps a mount from being like its directory is what the README says",
          "[exceptions]") {
  require_root();
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = path});
  const bool passthrough = path.front() == "--read-path=passthrough";
  for (const Exception& exception : exceptions) {
    if (!applies(exception, passthrough)) {
      continue;
    }
    CAPTURE(exception.name);
    const std::string there = answer_of(exception, source.path());
    const std::string here = answer_of(exception, mount.root());
    // On a kernel or a source that doesn't have it either there is nothing to be apart in.
    if (there == exception.on_directory) {
      CHECK(here == exception.on_mount);
    }
  }
}

}  // namespace
}  // namespace mmapdir::test
