// SPDX-License-Identifier: MIT
// The operations on open files, and those on extended attributes.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "parity_answer.h"
#include "parity_operations.h"
#include "support/acl.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

void add_reads(std::vector<Operation>& table) {
  for (const auto& [size, offset] : {std::pair<std::size_t, off_t>{0, 0},
                                     {1, 0},
                                     {20'000, 0},
                                     {4096, 4096},
                                     {100, 9'999},
                                     {100, 10'000},
                                     {100, 10'001},
                                     {100, off_t{1} << 40U},
                                     {100, -1},
                                     {0, -1}}) {
    table.push_back(
        {fmt::format("pread {} bytes at {}", size, offset),
         [size, offset](const Path& root) { return read_answer(root / "file", size, offset); }});
  }
  for (const int whence : {SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 99}) {
    for (const off_t offset : {0, 1, 9'999, 10'000, 10'001, -1, -10'001}) {
      table.push_back({fmt::format("lseek to {} whence {}", offset, whence),
                       [whence, offset](const Path& root) {
                         return opened(root / "file", O_RDONLY, [&](int fd) {
                           return answer([&] { return ::lseek(fd, offset, whence); });
                         });
                       }});
    }
  }
  const auto on_descriptor = [&table](const char* name, const char* file, int flags,
                                      const std::function<ssize_t(int)>& call) {
    table.push_back({name, [=](const Path& root) {
                       return opened(root / file, flags,
                                     [&](int fd) { return answer([&] { return call(fd); }); });
                     }});
  };
  static std::array<char, 4096> buffer{};
  on_descriptor("read through O_PATH", "file", O_PATH,
                [](int fd) { return ::read(fd, buffer.data(), 1); });
  on_descriptor("read to a bad address", "file", O_RDONLY,
                [](int fd) { return ::syscall(SYS_read, fd, 1, 100); });
  on_descriptor("write to a read-only descriptor", "file", O_RDONLY,
                [](int fd) { return ::write(fd, "x", 1); });
  on_descriptor("getdents of a file", "file", O_RDONLY,
                [](int fd) { return ::syscall(SYS_getdents64, fd, buffer.data(), buffer.size()); });
  on_descriptor("getdents with no room", ".", O_RDONLY,
                [](int fd) { return ::syscall(SYS_getdents64, fd, buffer.data(), 10); });
  on_descriptor("sendfile", "file", O_RDONLY, [](int fd) {
    const UniqueFd sink(::memfd_create("sink", MFD_CLOEXEC));
    return ::sendfile(sink.get(), fd, nullptr, 20'000);
  });
  on_descriptor("fsync", "file", O_RDONLY, [](int fd) { return ::fsync(fd); });
  on_descriptor("fsync of a directory", "directory", O_RDONLY, [](int fd) { return ::fsync(fd); });
  on_descriptor("fadvise", "file", O_RDONLY,
                [](int fd) { return ::posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED); });
  on_descriptor("lstat of an O_PATH link", "link", O_PATH | O_NOFOLLOW,
                [](int fd) { return ::readlinkat(fd, "", buffer.data(), buffer.size()); });
}

void add_maps(std::vector<Operation>& table) {
  using Map = std::tuple<const char*, std::size_t, int, int, off_t>;
  for (const auto& [file, length, protection, flags, offset] : {
           Map{"file", 10'000, PROT_READ, MAP_SHARED, 0},
           Map{"file", 10'000, PROT_READ, MAP_PRIVATE, 0},
           Map{"file", 10'000, PROT_READ | PROT_EXEC, MAP_SHARED, 0},
           Map{"file", 10'000, PROT_READ | PROT_WRITE, MAP_SHARED, 0},
           Map{"file", 10'000, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0},
           Map{"file", 0, PROT_READ, MAP_SHARED, 0},
           Map{"file", 4096, PROT_READ, MAP_SHARED, 4096},
           Map{"file", 4096, PROT_READ, MAP_SHARED, 100},
           Map{"empty", 4096, PROT_READ, MAP_SHARED, 0},
           Map{"directory", 4096, PROT_READ, MAP_SHARED, 0},
           Map{"fifo", 4096, PROT_READ, MAP_SHARED, 0},
       }) {
    table.push_back({fmt::format("mmap {} bytes of {} at {}, protection {}, flags {}", length, file,
                                 offset, protection, flags),
                     [=](const Path& root) {
                       return opened(root / file, O_RDONLY, [&](int fd) -> std::string {
                         void* mapped = ::mmap(nullptr, length, protection, flags, fd, offset);
                         if (mapped == MAP_FAILED) {
                           return errno_name(errno);
                         }
                         ::munmap(mapped, length);
                         return "mapped";
                       });
                     }});
  }
}

void add_xattrs(std::vector<Operation>& table) {
  const std::vector<std::string> names{"user.note",
                                       "user.none",
                                       "user.",
                                       "user",
                                       "trusted.note",
                                       "",
                                       kAclName,
                                       "security.none",
                                       "system.absent",
                                       "bogus.x",
                                       "no prefix",
                                       "user." + std::string(250, 'n'),
                                       "user." + std::string(251, 'n')};
  for (const char* file : {"file", "directory", "link", "dangling", "fifo", "secret", "acl",
                           "closed/file", "none", "socket"}) {
    for (const std::size_t size : {0U, 1U, 3'000U}) {
      for (const std::string& name : names) {
        table.push_back(
            {fmt::format("lgetxattr \"{}\" of {}, room for {}", shown(name), file, size),
             [file, size, name](const Path& root) {
               std::string value(size, '\0');
               const ssize_t got =
                   ::lgetxattr((root / file).c_str(), name.c_str(), value.data(), size);
               return bytes_or_errno(got, value);
             }});
      }
      table.push_back({fmt::format("llistxattr of {}, room for {}", file, size),
                       [file, size](const Path& root) {
                         std::string value(size, '\0');
                         const ssize_t got =
                             ::llistxattr((root / file).c_str(), value.data(), size);
                         std::ranges::replace(value, '\0', ' ');
                         return got < 0 ? errno_name(errno) : fmt::format("{}: {}", got, value);
                       }});
    }
  }
}

}  // namespace

void add_data_operations(std::vector<Operation>& table) {
  add_reads(table);
  add_maps(table);
  add_xattrs(table);
}

}  // namespace mmapdir::test
