// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <limits>
#include <memory>
#include <tuple>

#include "change_operations.h"
#include "parity_answer.h"
#include "support/files.h"
#include "support/process.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;
using Call = std::function<ssize_t(int fd)>;

constexpr off_t kLast = std::numeric_limits<off_t>::max();

// A call on a descriptor of one file, and then where that stands and how big the file is.
void on_file(Changes& table, const std::string& group, const std::string& name, const char* file,
             int flags, const Call& call) {
  table.push_back({group, name, [=](const Path& tree) {
                     return opened(tree / file, flags, [&](int fd) {
                       const std::string said = answer([&] { return call(fd); });
                       struct stat found{};
                       ::fstat(fd, &found);
                       return fmt::format("{} at {} of {}", said, ::lseek(fd, 0, SEEK_CUR),
                                          found.st_size);
                     });
                   }});
}

void add_opens(Changes& table) {
  using Row = std::tuple<const char*, int>;
  for (const auto& [name, flags] : {
           Row{"O_WRONLY", O_WRONLY},
           Row{"O_RDWR|O_APPEND", O_RDWR | O_APPEND},
           Row{"O_RDWR|O_DIRECT", O_RDWR | O_DIRECT},
           Row{"O_WRONLY|O_TRUNC", O_WRONLY | O_TRUNC},
           Row{"O_RDONLY|O_TRUNC", O_RDONLY | O_TRUNC},
           Row{"O_WRONLY|O_DIRECTORY", O_WRONLY | O_DIRECTORY},
           Row{"O_WRONLY|O_NOFOLLOW", O_WRONLY | O_NOFOLLOW},
           Row{"O_WRONLY|O_NOATIME", O_WRONLY | O_NOATIME},
           Row{"O_CREAT", O_RDONLY | O_CREAT},
           Row{"O_WRONLY|O_CREAT", O_WRONLY | O_CREAT},
           Row{"O_WRONLY|O_CREAT|O_TRUNC", O_WRONLY | O_CREAT | O_TRUNC},
           Row{"O_WRONLY|O_CREAT|O_EXCL", O_WRONLY | O_CREAT | O_EXCL},
           Row{"O_RDWR|O_CREAT|O_EXCL|O_DIRECT", O_RDWR | O_CREAT | O_EXCL | O_DIRECT},
           Row{"O_WRONLY|O_CREAT|O_NOFOLLOW", O_WRONLY | O_CREAT | O_NOFOLLOW},
           Row{"O_WRONLY|O_CREAT|O_APPEND", O_WRONLY | O_CREAT | O_APPEND},
           Row{"O_CREAT|O_DIRECTORY", O_CREAT | O_DIRECTORY},
           Row{"O_ACCMODE", O_ACCMODE},
           Row{"O_RDWR|O_TMPFILE", O_RDWR | O_TMPFILE},
           Row{"O_RDONLY|O_TMPFILE", O_RDONLY | O_TMPFILE},
           Row{"O_WRONLY|O_TMPFILE|O_EXCL", O_WRONLY | O_TMPFILE | O_EXCL},
       }) {
    change_each_path(table, fmt::format("open {}", name), [flags](const Path& path) {
      return opened(path, flags, [flags](int fd) -> std::string {
        struct stat found{};
        // What is written to a fifo isn't the file system's, but the time is, and FUSE's own.
        return (flags & (O_WRONLY | O_RDWR)) == 0 || (flags & O_DIRECT) != 0 ||
                       (::fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode))
                   ? "opened"
                   : answer([&] { return ::write(fd, "written", 7); });
      });
    });
  }
}

void add_writes(Changes& table) {
  static const std::string bytes = pattern(5'000, 7);
  for (const auto& [size, offset] : {std::pair<std::size_t, off_t>{10, 0},
                                     {0, 0},
                                     {1, 9'999},
                                     {5'000, 4'000},
                                     {10, 10'000},
                                     {10, 30'000},
                                     {10, -1},
                                     {10, kLast},
                                     {10, kLast - 9},
                                     {10, off_t{1} << 45U}}) {
    for (const int flags : {O_WRONLY, O_RDWR | O_APPEND, O_RDONLY}) {
      on_file(table, fmt::format("pwrite, open flags {}", flags),
              fmt::format("{} bytes at {}", size, offset), "file", flags,
              [=](int fd) { return ::pwrite(fd, bytes.data(), size, offset); });
    }
  }
  const auto row = [&](const char* name, int flags, const Call& call) {
    on_file(table, "write", name, "file", flags, call);
  };
  row("through O_PATH", O_PATH, [](int fd) { return ::write(fd, "x", 1); });
  row("from a bad address", O_WRONLY, [](int fd) { return ::syscall(SYS_write, fd, 1, 100); });
  row("in pieces", O_WRONLY, [](int fd) {
    std::array pieces{iovec{.iov_base = const_cast<char*>(bytes.data()), .iov_len = 3'000},
                      iovec{.iov_base = nullptr, .iov_len = 0},
                      iovec{.iov_base = const_cast<char*>(bytes.data()), .iov_len = 10}};
    return ::writev(fd, pieces.data(), pieces.size());
  });
  for (const int flag : {RWF_DSYNC, RWF_SYNC, RWF_APPEND}) {
    row(fmt::format("with flag {}", flag).c_str(), O_WRONLY, [flag](int fd) {
      const iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = 10};
      return ::pwritev2(fd, &piece, 1, 100, flag);
    });
  }
  row("after a seek beyond the end", O_WRONLY, [](int fd) {
    ::lseek(fd, 50'000, SEEK_SET);
    return ::write(fd, bytes.data(), 100);
  });
  row("by sendfile", O_WRONLY, [](int fd) {
    const UniqueFd from(::memfd_create("from", MFD_CLOEXEC));
    write_at(from.get(), bytes, 0);
    return ::sendfile(fd, from.get(), nullptr, 5'000);
  });
  row("by splice", O_WRONLY, [](int fd) {
    std::array<int, 2> ends{};
    must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    const UniqueFd out(ends[0]);
    const UniqueFd in(ends[1]);
    must(::write(in.get(), bytes.data(), 4'000), "write");
    return ::splice(out.get(), nullptr, fd, nullptr, 4'000, 0);
  });
  row("made append by fcntl", O_WRONLY, [](int fd) {
    must(::fcntl(fd, F_SETFL, O_APPEND), "fcntl");
    return ::write(fd, bytes.data(), 10);
  });
  on_file(table, "append taken back", "by fcntl", "file", O_WRONLY | O_APPEND, [](int fd) {
    must(::fcntl(fd, F_SETFL, 0), "fcntl");
    return ::pwrite(fd, bytes.data(), 10, 100);
  });
  row("sync_file_range", O_WRONLY, [](int fd) {
    return ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  });
  row("fsync", O_WRONLY, [](int fd) { return ::fsync(fd); });
  row("fdatasync", O_RDONLY, [](int fd) { return ::fdatasync(fd); });
  row("O_SYNC", O_WRONLY | O_SYNC, [](int fd) { return ::write(fd, bytes.data(), 10); });
  row("O_DSYNC", O_RDWR | O_DSYNC, [](int fd) { return ::pwrite(fd, bytes.data(), 10, 9'995); });
  row("to a file that may grow no further", O_WRONLY, [](int fd) {
    const rlimit limit{.rlim_cur = 10'005, .rlim_max = RLIM_INFINITY};
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    (void)std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limited{.rlim_cur = limit.rlim_cur, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
    const ssize_t some = ::pwrite(fd, bytes.data(), 100, 10'000);
    const ssize_t none = ::pwrite(fd, bytes.data(), 100, 20'000);
    const int error = errno;
    ::setrlimit(RLIMIT_FSIZE, &before);
    errno = error;
    return none < 0 ? none : (some * 1'000) + none;
  });
}

void add_truncations(Changes& table) {
  for (const off_t size :
       {off_t{10'000}, off_t{5}, off_t{0}, off_t{20'000}, off_t{-1}, kLast, off_t{1} << 43U}) {
    change_each_path(table, fmt::format("truncate to {}", size), [size](const Path& path) {
      return answer([&] { return ::truncate(path.c_str(), size); });
    });
    for (const int flags : {O_RDONLY, O_WRONLY, O_PATH, O_RDWR | O_APPEND}) {
      on_file(table, fmt::format("ftruncate, open flags {}", flags), std::to_string(size), "file",
              flags, [size](int fd) { return ::ftruncate(fd, size); });
    }
  }
}

// Where data and holes begin, by the file itself.
std::string holes(int fd) {
  std::string text;
  struct stat found{};
  if (::fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) {
    return text;
  }
  for (const off_t from : {0, 4'096, 8'192, 12'288}) {
    text += fmt::format(" {}/{}", ::lseek(fd, from, SEEK_DATA), ::lseek(fd, from, SEEK_HOLE));
  }
  return text;
}

void add_allocations(Changes& table) {
  for (const auto& [name, mode] :
       {std::pair{"allocate", 0}, std::pair{"allocate, keep size", FALLOC_FL_KEEP_SIZE},
        std::pair{"punch a hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
        std::pair{"punch a hole without keeping the size", FALLOC_FL_PUNCH_HOLE},
        std::pair{"zero", FALLOC_FL_ZERO_RANGE},
        std::pair{"zero, keep size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
        std::pair{"unknown mode", 0x100}}) {
    for (const auto& [offset, length] : {std::pair<off_t, off_t>{0, 0},
                                         {-1, 10},
                                         {0, -1},
                                         {kLast, 10},
                                         {4'096, 4'096},
                                         {100, 10},
                                         {8'192, 20'000}}) {
      for (const char* file : {"file", "shared", "directory", "fifo", "readonly"}) {
        for (const int flags : {O_RDONLY, O_RDWR}) {
          table.push_back(
              {fmt::format("fallocate: {}", name),
               fmt::format("{} at {} of {}, open flags {}", length, offset, file, flags),
               [=](const Path& tree) {
                 return opened(tree / file, flags, [&](int fd) {
                   const std::string said =
                       answer([&] { return ::fallocate(fd, mode, offset, length); });
                   return said + holes(fd);
                 });
               }});
        }
      }
    }
  }
}

void add_copies(Changes& table) {
  using Row = std::tuple<const char*, int, const char*, int, off_t, off_t, std::size_t>;
  for (const auto& [from, from_flags, to, to_flags, from_offset, to_offset, length] : {
           Row{"file", O_RDONLY, "shared", O_WRONLY, 0, 0, 10'000},
           Row{"file", O_RDONLY, "empty", O_WRONLY, 5'000, 100, 10'000},
           Row{"file", O_RDONLY, "empty", O_WRONLY, 10'000, 0, 10},
           Row{"file", O_RDONLY, "empty", O_WRONLY, 20'000, 0, 10},
           Row{"file", O_RDONLY, "file", O_WRONLY, 0, 5'000, 5'000},
           Row{"file", O_RDONLY, "file", O_WRONLY, 0, 4'999, 5'000},
           Row{"file", O_RDONLY, "shared", O_RDONLY, 0, 0, 10},
           Row{"file", O_WRONLY, "shared", O_WRONLY, 0, 0, 10},
           Row{"file", O_RDONLY, "shared", O_WRONLY | O_APPEND, 0, 0, 10},
           Row{"file", O_RDONLY, "directory", O_RDONLY, 0, 0, 10},
           Row{"directory", O_RDONLY, "shared", O_WRONLY, 0, 0, 10},
           Row{"file", O_RDONLY, "fifo", O_RDWR, 0, 0, 10},
           Row{"file", O_RDONLY, "shared", O_WRONLY, -1, 0, 10},
           Row{"file", O_RDONLY, "shared", O_WRONLY, 0, kLast, 10},
           Row{"file", O_RDONLY, "shared", O_WRONLY, 0, 0, 0},
       }) {
    table.push_back(
        {"copy_file_range", fmt::format("{} at {} to {} at {}", from, from_offset, to, to_offset),
         [=](const Path& tree) {
           return opened(tree / from, from_flags, [&](int in) {
             return opened(tree / to, to_flags, [&](int out) {
               off_t at = from_offset;
               off_t into = to_offset;
               const std::string said =
                   answer([&] { return ::copy_file_range(in, &at, out, &into, length, 0); });
               return fmt::format("{} {} {}", said, at, into);
             });
           });
         }});
  }
}

void add_maps(Changes& table) {
  for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND}) {
    for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
      on_file(table, "mmap", fmt::format("write, open flags {}, flags {}", flags, sharing), "file",
              flags, [=](int fd) -> ssize_t {
                void* mapped = ::mmap(nullptr, 10'000, PROT_READ | PROT_WRITE, sharing, fd, 0);
                if (mapped == MAP_FAILED) {
                  return -1;
                }
                std::fill_n(static_cast<char*>(mapped) + 4'000, 200, 'm');
                const int result = ::msync(mapped, 10'000, MS_SYNC);
                ::munmap(mapped, 10'000);
                return result;
              });
    }
  }
}

// A program can't be written while it runs, nor run while it is written.
void add_running(Changes& table) {
  table.push_back({"ETXTBSY", "run what is open for writing", [](const Path& tree) {
                     return opened(tree / "program", O_WRONLY, [&](int) {
                       return answer([&] {
                         const std::array<char*, 1> none{nullptr};
                         return ::execve((tree / "program").c_str(), none.data(), none.data());
                       });
                     });
                   }});
  table.push_back({"ETXTBSY", "write what runs", [](const Path& tree) {
                     const Path program = tree / "sleeper";
                     std::filesystem::copy_file("/bin/sleep", program);
                     std::array<int, 2> ends{};
                     must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
                     const UniqueFd out(ends[0]);
                     UniqueFd in(ends[1]);
                     const Process sleeper = Process::program({program.string(), "1000"});
                     in.reset();
                     char byte = 0;
                     (void)!::read(out.get(), &byte, 1);  // ends when the program runs
                     std::string said = opened(program, O_WRONLY, [](int) { return "opened"; });
                     said += answer([&] { return ::truncate(program.c_str(), 1); });
                     return said + answer([&] { return ::unlink(program.c_str()); });
                   }});
}

}  // namespace

void add_file_changes(Changes& table) {
  add_opens(table);
  add_writes(table);
  add_truncations(table);
  add_allocations(table);
  add_copies(table);
  add_maps(table);
  add_running(table);
}

}  // namespace mmapdir::test
