// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "change_operations.h"
#include "parity_answer.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Everything that can be made, in one directory.
std::string make_all(const Path& where, mode_t mode) {
  const auto use = [](int) { return "made "; };
  std::string said;
  const UniqueFd made(
      ::open((where / "made").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  said += made ? "made " : errno_name(errno);
  const UniqueFd nameless(::open(where.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, mode));
  said += nameless ? answer([&] {
    return ::linkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", nameless.get()).c_str(), AT_FDCWD,
                    (where / "made-nameless").c_str(), AT_SYMLINK_FOLLOW);
  })
                   : errno_name(errno);
  said += opened(where / "made-too", O_RDONLY | O_CREAT, use);
  said += answer([&] { return ::mkdir((where / "made-directory").c_str(), mode); });
  said += answer([&] { return ::mkdir((where / "made-directory/inner").c_str(), mode); });
  said += answer([&] { return ::mknod((where / "made-file").c_str(), S_IFREG | mode, 0); });
  said += answer([&] { return ::mkfifo((where / "made-fifo").c_str(), mode); });
  said += answer([&] { return ::symlink("x", (where / "made-link").c_str()); });
  return said;
}

void add_making(Changes& table) {
  for (const mode_t mask : {0U, 027U, 0777U}) {
    for (const mode_t mode : {0666U, 07777U, 0U}) {
      for (const char* where : {".", "handing", "inheriting", "sticky", "locked"}) {
        table.push_back(
            {fmt::format("make, mode {:o}, umask {:o}", mode, mask), where, [=](const Path& tree) {
               const mode_t before = ::umask(mask);
               std::string said = make_all(tree / where, mode);
               ::umask(before);
               return said;
             }});
      }
    }
  }
}

struct Touch {
  const char* name;
  int flags;
  std::function<ssize_t(int fd)> call;
};

// What takes set-user-id and set-group-id bits and capabilities away, or doesn't.
void add_clearing(Changes& table) {
  static const std::array touches{
      Touch{.name = "opening to write", .flags = O_WRONLY, .call = [](int) { return 0; }},
      Touch{.name = "O_TRUNC", .flags = O_WRONLY | O_TRUNC, .call = [](int) { return 0; }},
      Touch{.name = "write", .flags = O_WRONLY, .call = [](int fd) { return ::write(fd, "x", 1); }},
      Touch{.name = "write of nothing",
            .flags = O_WRONLY,
            .call = [](int fd) { return ::write(fd, "x", 0); }},
      Touch{.name = "append",
            .flags = O_WRONLY | O_APPEND,
            .call = [](int fd) { return ::write(fd, "x", 1); }},
      Touch{.name = "ftruncate to the same size",
            .flags = O_WRONLY,
            .call = [](int fd) { return ::ftruncate(fd, 10'000); }},
      Touch{.name = "ftruncate",
            .flags = O_WRONLY,
            .call = [](int fd) { return ::ftruncate(fd, 5); }},
      Touch{.name = "fallocate",
            .flags = O_WRONLY,
            .call = [](int fd) { return ::fallocate(fd, 0, 0, 20'000); }},
      Touch{.name = "punching a hole",
            .flags = O_WRONLY,
            .call =
                [](int fd) {
                  return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4'096);
                }},
      // Not fchown to nobody in particular: the kernel's FUSE keeps that, and its taking the bits
      // away, to itself.
      Touch{.name = "fchown to the owner",
            .flags = O_RDONLY,
            .call =
                [](int fd) {
                  struct stat found{};
                  ::fstat(fd, &found);
                  return ::fchown(fd, found.st_uid, found.st_gid);
                }},
      Touch{.name = "futimens",
            .flags = O_RDONLY,
            .call = [](int fd) { return ::futimens(fd, nullptr); }},
      Touch{.name = "copy_file_range",
            .flags = O_RDWR,
            .call =
                [](int fd) {
                  off_t from = 0;
                  off_t to = 20'000;
                  return ::copy_file_range(fd, &from, fd, &to, 100, 0);
                }},
  };
  for (const Touch& touch : touches) {
    for (const char* file : {"suid", "sgid", "shared-suid", "capable"}) {
      table.push_back(
          {fmt::format("clear by {}", touch.name), file, [&touch, file](const Path& tree) {
             struct stat before{};
             struct stat after{};
             ::stat((tree / file).c_str(), &before);  // so that the kernel remembers
             std::string said = opened(tree / file, touch.flags, [&](int fd) {
               return answer([&] { return touch.call(fd); });
             });
             ::stat((tree / file).c_str(), &after);
             return fmt::format("{} {:o} to {:o}", said, before.st_mode, after.st_mode);
           }});
    }
  }
  for (const char* file : {"suid", "sgid", "shared-suid", "capable"}) {
    table.push_back({"clear by truncate", file, [file](const Path& tree) {
                       return answer([&] { return ::truncate((tree / file).c_str(), 100); });
                     }});
  }
}

}  // namespace

void add_ownership_changes(Changes& table) {
  add_making(table);
  add_clearing(table);
}

}  // namespace mmapdir::test
