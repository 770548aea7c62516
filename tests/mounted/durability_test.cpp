// SPDX-License-Identifier: MIT
// What the daemon does on the source before it answers, seen from outside: its system calls.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Opcodes of the FUSE protocol (the kernel's include/uapi/linux/fuse.h).
constexpr std::uint32_t kWrite = 16;
constexpr std::uint32_t kFsync = 20;
constexpr std::uint32_t kFsyncdir = 30;

// A request of the kernel's, and what its thread did from getting it to answering it.
struct Served {
  std::uint32_t opcode = 0;
  std::uint64_t id = 0;
  std::vector<TracedCall> calls{};
  std::optional<std::int32_t> error{};
};

// How each message on /dev/fuse begins: fuse_in_header and fuse_out_header.
struct Header {
  std::uint32_t length;
  std::uint32_t opcode_or_error;
  std::uint64_t id;
};

// The bytes of the first string among the arguments; such with zero bytes are shown as \xHH.
std::string bytes_in(const std::string& arguments) {
  std::string bytes;
  for (auto at = arguments.find("\\x"); arguments.compare(at, 2, "\\x") == 0; at += 4) {
    bytes += static_cast<char>(std::stoi(arguments.substr(at + 2, 2), nullptr, 16));
    if (at + 4 >= arguments.size()) {
      break;
    }
  }
  return bytes;
}

std::optional<Header> header_in(const TracedCall& call) {
  if (call.arguments.find("\\x") == std::string::npos) {
    return std::nullopt;
  }
  const std::string bytes = bytes_in(call.arguments);
  Header header{};
  if (bytes.size() < sizeof header) {
    return std::nullopt;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  // A message comes and goes in one piece. The rest of a file may look like anything.
  return std::to_string(header.length) == call.result ? std::optional(header) : std::nullopt;
}

std::vector<Served> served_requests(const std::vector<TracedCall>& calls) {
  std::vector<Served> all;
  std::map<pid_t, Served> present;
  for (const TracedCall& call : calls) {
    const auto header = header_in(call);
    if (call.name == "read" && header) {
      present[call.thread] = Served{.opcode = header->opcode_or_error, .id = header->id};
    } else if (call.name.starts_with("write") && call.arguments.contains("</dev/fuse>")) {
      Served& answered = present[call.thread];
      if (header && header->id == answered.id) {
        answered.error = static_cast<std::int32_t>(header->opcode_or_error);
        all.push_back(answered);
      }
    } else {
      present[call.thread].calls.push_back(call);
    }
  }
  return all;
}

struct Watched {
  // strace sees the requests that are read from /dev/fuse.
  explicit Watched(const ReadPath& path)
      : mount(source.path(), {.options = with_option(path, "--io-uring=off")}) {}

  // Whether a request of that kind was served by a call of that name on that file, which had
  // succeeded when the answer, success, was given.
  //
  // A thread that waited for requests as strace came may serve its first one unseen: another try
  // shows it.
  template <class Action>
  bool sees(std::uint32_t opcode, const std::string& name, const std::string& argument,
            const Action& action) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (sees_once(opcode, name, argument, action)) {
        return true;
      }
    }
    return false;
  }

  template <class Action>
  bool sees_once(std::uint32_t opcode, const std::string& name, const std::string& argument,
                 const Action& action) {
    Strace strace(mount.daemon(), {"-e", "trace=read,write,writev,fsync,fdatasync,?pwritev2"});
    action();
    return std::ranges::any_of(served_requests(strace.stop()), [&](const Served& request) {
      return request.opcode == opcode && request.error == 0 &&
             std::ranges::any_of(request.calls, [&](const TracedCall& call) {
               return call.name == name && call.arguments.contains(argument) && call.succeeded();
             });
    });
  }

  TemporaryDirectory source;
  Mount mount;
};

TEST_CASE("A sync is carried out on the source before it is answered", "[durability]") {
  require_strace();
  Watched files(each_read_path());
  write_file(files.source / "file", "content");
  std::filesystem::create_directory(files.source / "directory");
  const std::string file = (files.source / "file").string() + ">";
  const std::string directory = (files.source / "directory").string() + ">";
  for (const int flags : {O_RDWR, O_WRONLY | O_APPEND, O_RDONLY}) {
    CAPTURE(flags);
    const UniqueFd fd = open_fd(files.mount / "file", flags);
    CHECK(files.sees(kFsync, "fsync", file, [&] { CHECK(::fsync(fd.get()) == 0); }));
    CHECK(files.sees(kFsync, "fdatasync", file, [&] { CHECK(::fdatasync(fd.get()) == 0); }));
  }
  const UniqueFd fd = open_fd(files.mount / "directory", O_RDONLY | O_DIRECTORY);
  CHECK(files.sees(kFsyncdir, "fsync", directory, [&] { CHECK(::fsync(fd.get()) == 0); }));
  CHECK(files.sees(kFsyncdir, "fdatasync", directory, [&] { CHECK(::fdatasync(fd.get()) == 0); }));
  CHECK_FALSE(files.sees(kFsync, "fsync", file, [&] { CHECK(::fsync(fd.get()) == 0); }));
}

// In passthrough the kernel writes and maps the source's own pages: the power is cut there.
TEST_CASE("What asks to be durable by itself is synced before it is answered", "[durability]") {
  require_strace();
  Watched files(each_read_path());
  if (files.mount.ready_line().contains("passthrough")) {
    return;
  }
  write_file(files.source / "file", std::string(10'000, 'A'));
  const std::string file = (files.source / "file").string() + ">";
  const UniqueFd fd = open_fd(files.mount / "file", O_RDWR);
  void* mapped = ::mmap(nullptr, 10'000, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  REQUIRE(mapped != MAP_FAILED);
  *static_cast<char*>(mapped) = 'B';
  CHECK(
      files.sees(kFsync, "fdatasync", file, [&] { CHECK(::msync(mapped, 10'000, MS_SYNC) == 0); }));
  ::munmap(mapped, 10'000);
  for (const int flags : {O_RDWR, O_RDWR | O_APPEND}) {
    CAPTURE(flags);
    const UniqueFd unsynchronous = open_fd(files.mount / "file", flags);
    std::string byte = "C";
    const iovec piece{.iov_base = byte.data(), .iov_len = 1};
    for (const auto& [asked, shown] : {std::pair{RWF_DSYNC, "RWF_DSYNC"}, {RWF_SYNC, "RWF_SYNC"}}) {
      CHECK(files.sees(kWrite, "pwritev2", shown, [&, flag = asked] {
        CHECK(::pwritev2(unsynchronous.get(), &piece, 1, 0, flag) == 1);
      }));
    }
  }
}

// The flags of each descriptor that a process has of a file.
std::vector<unsigned> flags_of(pid_t process, const Path& file) {
  std::vector<unsigned> found;
  const Path proc = fmt::format("/proc/{}", process);
  for (const auto& entry : std::filesystem::directory_iterator(proc / "fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone) == file) {
      std::ifstream info(proc / "fdinfo" / entry.path().filename());
      for (std::string word; info >> word;) {
        if (word == "flags:" && info >> word) {
          found.push_back(static_cast<unsigned>(std::stoul(word, nullptr, 8)));
        }
      }
    }
  }
  return found;
}

TEST_CASE("O_SYNC and O_DSYNC hold on the source's descriptor", "[durability]") {
  Watched files(each_read_path());
  for (const unsigned flag : {0U, static_cast<unsigned>(O_DSYNC), static_cast<unsigned>(O_SYNC)}) {
    for (const int how : {O_CREAT | O_EXCL | O_WRONLY, O_WRONLY, O_RDWR | O_APPEND}) {
      CAPTURE(flag, how);
      const UniqueFd fd = open_fd(files.mount / "file", how | static_cast<int>(flag));
      const auto flags = flags_of(files.mount.daemon().pid(), files.source / "file");
      CHECK(std::ranges::any_of(flags, [&](unsigned its) {
        return (its & O_SYNC) == flag && (its & O_ACCMODE) != O_RDONLY;
      }));
    }
    must(::unlink((files.mount / "file").c_str()), "unlink");
  }
}

TEST_CASE("A sync that failed fails for everybody whose data may be lost", "[durability]") {
  require_strace();
  Watched files(each_read_path());
  write_file(files.source / "file", "content");
  const UniqueFd writer = open_fd(files.mount / "file", O_RDWR);
  const UniqueFd reader = open_fd(files.mount / "file", O_RDONLY);
  const UniqueFd other_reader = open_fd(files.mount / "file", O_RDONLY);
  write_at(writer.get(), "C", 0);
  {
    // As from the kernel's errseq_t: one descriptor is told once.
    Strace strace(files.mount.daemon(),
                  {"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"});
    CHECK(::fsync(reader.get()) == -1);
    CHECK(errno == EIO);
    CHECK(strace.stop().size() == 1);
  }
  // The writer has a descriptor of its own there, which the kernel tells; the readers share one.
  CHECK(::fsync(other_reader.get()) == -1);
  CHECK(errno == EIO);
  const UniqueFd later = open_fd(files.mount / "file", O_RDONLY);
  for (const int fd : {writer.get(), reader.get(), other_reader.get(), later.get()}) {
    CHECK(::fsync(fd) == 0);
  }
}

}  // namespace
}  // namespace mmapdir::test
