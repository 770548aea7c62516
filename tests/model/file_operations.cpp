// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <array>

#include "mounted/parity_answer.h"
#include "support/files.h"
#include "world.h"

namespace mmapdir::test {
namespace {

// O_NONBLOCK changes nothing for what there is, and would keep a fifo from waiting.
std::string open(World& world, const Operation& op) {
  constexpr std::array kFlags{O_RDWR | O_CREAT,
                              O_RDWR | O_CREAT,
                              O_RDWR | O_CREAT | O_APPEND,
                              O_RDWR,
                              O_RDWR,
                              O_RDONLY,
                              O_RDONLY,
                              O_WRONLY,
                              O_WRONLY | O_APPEND,
                              O_RDWR | O_TRUNC,
                              O_RDONLY | O_TRUNC,
                              O_RDWR | O_CREAT | O_EXCL,
                              O_WRONLY | O_CREAT | O_TRUNC,
                              O_RDONLY | O_DIRECTORY,
                              O_RDONLY | O_NOFOLLOW,
                              O_RDWR | O_CREAT | O_NOFOLLOW,
                              O_RDWR | O_SYNC,
                              O_RDONLY | O_NOATIME,
                              O_PATH,
                              O_RDWR | O_TMPFILE,
                              O_RDWR | O_TMPFILE,
                              O_WRONLY | O_TMPFILE | O_EXCL};
  constexpr std::array<mode_t, 4> kModes{0644, 0666, 0600, 0444};
  UniqueFd fd(::openat(world.root.get(), op.path,
                       choose(kFlags, op.number) | O_NONBLOCK | O_CLOEXEC,
                       choose(kModes, op.number / 64)));
  if (!fd) {
    return said(-1);
  }
  world.files.at(op.slot) = std::move(fd);
  return said_of_file(world, op.slot, 0);
}

std::string close(World& world, const Operation& op) {
  const int fd = world.files.at(op.slot).release();
  return said(::close(fd));
}

std::string duplicate(World& world, const Operation& op) {
  UniqueFd fd(::fcntl(world.file(op.slot), F_DUPFD_CLOEXEC, 0));
  if (!fd) {
    return said(-1);
  }
  world.files.at(op.other) = std::move(fd);
  return said_of_file(world, op.other, 0);
}

std::string read(World& world, const Operation& op) {
  std::string buffer(op.length, '\0');
  const ssize_t got = ::read(world.file(op.slot), buffer.data(), buffer.size());
  const std::string bytes = bytes_or_errno(got, buffer);
  return bytes + ", " + said_of_file(world, op.slot, 0);
}

std::string pread(World& world, const Operation& op) {
  std::string buffer(op.length, '\0');
  return bytes_or_errno(::pread(world.file(op.slot), buffer.data(), buffer.size(), op.offset),
                        buffer);
}

std::string write(World& world, const Operation& op) {
  const std::string bytes = pattern(op.length, static_cast<std::uint32_t>(op.number));
  return said_of_file(world, op.slot, ::write(world.file(op.slot), bytes.data(), bytes.size()));
}

std::string pwrite(World& world, const Operation& op) {
  const std::string bytes = pattern(op.length, static_cast<std::uint32_t>(op.number));
  return said_of_file(world, op.slot,
                      ::pwrite(world.file(op.slot), bytes.data(), bytes.size(), op.offset));
}

std::string seek(World& world, const Operation& op) {
  constexpr std::array kWhence{SEEK_SET, SEEK_CUR, SEEK_END};
  const int whence = choose(kWhence, op.number);
  const off_t offset = whence == SEEK_SET ? op.offset : -(op.offset / 16);
  // A directory's positions are each file system's own affair.
  std::array<char, 1> probe{};
  if (::pread(world.file(op.slot), probe.data(), 0, 0) < 0 && errno == EISDIR) {
    return "a directory";
  }
  return said(::lseek(world.file(op.slot), offset, whence));
}

std::string set_append(World& world, const Operation& op) {
  const int flags = ::fcntl(world.file(op.slot), F_GETFL);
  return said(flags < 0 ? -1 : ::fcntl(world.file(op.slot), F_SETFL, flags | O_APPEND));
}

std::string clear_append(World& world, const Operation& op) {
  const int flags = ::fcntl(world.file(op.slot), F_GETFL);
  return said(flags < 0 ? -1 : ::fcntl(world.file(op.slot), F_SETFL, flags & ~O_APPEND));
}

std::string ftruncate(World& world, const Operation& op) {
  return said_of_file(world, op.slot, ::ftruncate(world.file(op.slot), op.offset));
}

std::string truncate(World& world, const Operation& op) {
  return said_of_path(world, op.path, ::truncate((world.path / op.path).c_str(), op.offset));
}

// FUSE's kernel side passes neither collapsing nor inserting a range on (EOPNOTSUPP).
std::string fallocate(World& world, const Operation& op) {
  constexpr std::array kModes{0,
                              FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_ZERO_RANGE,
                              FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                              FALLOC_FL_PUNCH_HOLE};
  return said_of_file(world, op.slot,
                      ::fallocate(world.file(op.slot), choose(kModes, op.number), op.offset,
                                  static_cast<off_t>(op.length)));
}

std::string copy_range(World& world, const Operation& op) {
  off_t from = op.offset;
  auto to = static_cast<off_t>(op.number % 30'000);
  const ssize_t copied =
      ::copy_file_range(world.file(op.slot), &from, world.file(op.other), &to, op.length, 0);
  return said_of_file(world, op.other, copied);
}

std::string fsync(World& world, const Operation& op) {
  return said(op.number % 2 == 0 ? ::fsync(world.file(op.slot)) : ::fdatasync(world.file(op.slot)));
}

std::string fstat(World& world, const Operation& op) { return said_of_file(world, op.slot, 0); }

std::string name_file(World& world, const Operation& op) {
  const std::string link = fmt::format("/proc/self/fd/{}", world.file(op.slot));
  return said_of_path(
      world, op.path,
      ::linkat(AT_FDCWD, link.c_str(), world.root.get(), op.path, AT_SYMLINK_FOLLOW));
}

}  // namespace

void add_file_operations(Kinds& kinds) {
  kinds.insert(kinds.end(), {{.name = "open", .weight = 100, .carry_out = open},
                             {.name = "close", .weight = 6, .carry_out = close},
                             {.name = "duplicate", .weight = 4, .carry_out = duplicate},
                             {.name = "read", .weight = 25, .carry_out = read},
                             {.name = "pread", .weight = 50, .carry_out = pread},
                             {.name = "write", .weight = 40, .carry_out = write},
                             {.name = "pwrite", .weight = 60, .carry_out = pwrite},
                             {.name = "seek", .weight = 10, .carry_out = seek},
                             {.name = "set append", .weight = 2, .carry_out = set_append},
                             {.name = "clear append", .weight = 5, .carry_out = clear_append},
                             {.name = "ftruncate", .weight = 15, .carry_out = ftruncate},
                             {.name = "truncate", .weight = 10, .carry_out = truncate},
                             {.name = "fallocate", .weight = 20, .carry_out = fallocate},
                             {.name = "copy range", .weight = 20, .carry_out = copy_range},
                             {.name = "fsync", .weight = 3, .carry_out = fsync},
                             {.name = "fstat", .weight = 10, .carry_out = fstat},
                             {.name = "name file", .weight = 10, .carry_out = name_file}});
}

}  // namespace mmapdir::test
