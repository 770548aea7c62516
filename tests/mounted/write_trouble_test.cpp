// SPDX-License-Identifier: MIT
// The source is full, turns read-only, takes permissions away, or descriptors run out: the error
// that the source gives reaches the program, nothing is lost that was acknowledged, and once the
// trouble is over everything works again.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>

#include "parity_answer.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Writes pieces until one fails: how much was acknowledged, and why it ended.
std::string fill(int fd, const std::string& content, std::size_t piece) {
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, std::min(piece, content.size() - done));
    if (n <= 0) {
      return fmt::format("{} {}", done, errno_name(errno));
    }
    done += static_cast<std::size_t>(n);
  }
  return fmt::format("{} complete", done);
}

// A source with little room, once with the mount and once without.
struct Full {
  explicit Full(const ReadPath& path, const std::string& room)
      : source(KernelMount::tmpfs(make("source"), room)),
        plain(KernelMount::tmpfs(make("plain"), room)),
        mount(source.path(), {.options = path}) {}

  Path make(const char* name) const {
    std::filesystem::create_directory(all / name);
    return all / name;
  }

  TemporaryDirectory all;
  KernelMount source;
  KernelMount plain;
  Mount mount;
};

TEST_CASE("A source that fills up says so as it would itself, and keeps what it acknowledged",
          "[write_trouble]") {
  require_root();
  const Full full(each_read_path(), "size=1m");
  const std::string content = pattern(3'000'000, 1);
  for (const std::size_t piece : {std::size_t{3'000'000}, std::size_t{100'000}, std::size_t{777}}) {
    CAPTURE(piece);
    std::vector<std::string> said;
    for (const Path& root : {full.mount.root(), full.plain.path()}) {
      const UniqueFd fd = open_fd(root / "file", O_WRONLY | O_CREAT | O_TRUNC);
      said.push_back(fill(fd.get(), content, piece));
      said.back() += answer([&] { return ::fsync(fd.get()); });
      said.back() += answer([&] { return ::pwrite(fd.get(), "again", 5, 0); });
      said.back() += answer([&] { return ::fallocate(fd.get(), 0, 0, 2'000'000); });
      write_at(fd.get(), content.substr(0, 5), 0);
    }
    CHECK(said[0] == said[1]);
    const std::string kept = read_file(full.source.path() / "file");
    CHECK(said[0].starts_with(std::to_string(kept.size()) + " ENOSPC"));
    CHECK(difference(kept, content.substr(0, kept.size())).empty());
    CHECK(difference(read_file(full.mount / "file"), kept).empty());
    must(::truncate((full.mount / "file").c_str(), 0), "truncate");
    write_file(full.mount / "file", content.substr(0, 500'000));
    CHECK(difference(read_file(full.mount / "file"), content.substr(0, 500'000)).empty());
  }
}

TEST_CASE("What is written to a mapping of a full source isn't said to be there",
          "[write_trouble]") {
  require_root();
  Full full(each_read_path(), "size=1m");
  const UniqueFd sparse = open_fd(full.mount / "sparse", O_RDWR | O_CREAT);
  must(::ftruncate(sparse.get(), 500'000), "ftruncate");
  const UniqueFd filler = open_fd(full.mount / "filler", O_WRONLY | O_CREAT);
  (void)fill(filler.get(), std::string(2'000'000, 'f'), 100'000);
  Process writer = Process::call([&] {
    (void)std::signal(SIGBUS, SIG_DFL);  // a sanitizer makes a status of its own of it
    void* mapped = ::mmap(nullptr, 500'000, PROT_READ | PROT_WRITE, MAP_SHARED, sparse.get(), 0);
    std::fill_n(static_cast<char*>(mapped), 500'000, 'm');
    return ::msync(mapped, 500'000, MS_SYNC) == 0 ? 0 : 1;
  });
  const auto status = writer.wait();
  CHECK((status == 1 || status == 128 + SIGBUS));
  CHECK(full.mount.daemon().running());
}

TEST_CASE("Where no file can be made any more, nothing is half made", "[write_trouble]") {
  require_root();
  const Full full(each_read_path(), "nr_inodes=10");
  std::vector<std::vector<std::string>> said(2);
  for (const auto& [root, answers] :
       {std::pair{full.mount.root(), said.data()}, std::pair{full.plain.path(), &said[1]}}) {
    for (int i = 0; i < 12; ++i) {
      answers->push_back(opened(root / std::to_string(i), O_WRONLY | O_CREAT, [](int fd) {
        return answer([&] { return ::write(fd, "x", 1); });
      }));
    }
    answers->push_back(answer([&] { return ::mkdir((root / "d").c_str(), 0755); }));
    answers->push_back(answer([&] { return ::symlink("x", (root / "s").c_str()); }));
    answers->push_back(answer([&] { return ::mkfifo((root / "p").c_str(), 0644); }));
    answers->push_back(opened(root, O_RDWR | O_TMPFILE, [](int) { return "opened"; }));
    answers->push_back(
        answer([&] { return ::rename((root / "0").c_str(), (root / "renamed").c_str()); }));
    answers->push_back(
        answer([&] { return ::rename((root / "1").c_str(), (root / "2").c_str()); }));
    // The inode that was replaced is free once the kernel has let go of it and told the daemon.
    const auto make = [&] {
      return opened(root / "again", O_WRONLY | O_CREAT, [](int) { return "opened"; });
    };
    eventually([&] { return make() == "opened"; });
    answers->push_back(make());
  }
  CHECK(said[0] == said[1]);
  CHECK(names_in(full.mount.root()) == names_in(full.plain.path()));
}

TEST_CASE("A source that turns read-only under load refuses, and works again afterwards",
          "[write_trouble]") {
  require_root();
  const ReadPath path = each_read_path();
  const TemporaryDirectory all;
  std::filesystem::create_directory(all / "source");
  std::filesystem::create_directory(all / "bound");
  const KernelMount source = KernelMount::bind(all / "source", all / "bound");
  const Mount mount(source.path(), {.options = path});
  write_file(mount / "stays", "content");
  Process load = Process::call([&] {
    for (int i = 0;; ++i) {
      const std::string bytes = fmt::format("round {}", i);
      const UniqueFd fd(
          ::open((mount / "loaded").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
      if (!fd ? errno != EROFS : ::write(fd.get(), bytes.data(), bytes.size()) < 0) {
        return 1;
      }
      if (::rename((mount / "loaded").c_str(), (mount / "moved").c_str()) != 0 && errno != EROFS &&
          errno != ENOENT) {
        return 2;
      }
      if (read_file(mount / "stays") != "content") {
        return 3;
      }
    }
  });
  using enum KernelMount::Writability;
  for (int round = 0; round < 5; ++round) {
    REQUIRE(eventually([&] { return source.try_to_make(kReadOnly); }));
    const std::string new_file = mount / "new";
    CHECK(answer([&] { return ::open(new_file.c_str(), O_WRONLY | O_CREAT, 0644); }) == "EROFS");
    CHECK(answer([&] { return ::open((mount / "stays").c_str(), O_WRONLY); }) == "EROFS");
    CHECK(answer([&] { return ::mkdir(new_file.c_str(), 0755); }) == "EROFS");
    CHECK(answer([&] { return ::unlink((mount / "stays").c_str()); }) == "EROFS");
    CHECK(answer([&] { return ::chmod((mount / "stays").c_str(), 0600); }) == "EROFS");
    CHECK(answer([&] { return ::rename((mount / "stays").c_str(), new_file.c_str()); }) == "EROFS");
    CHECK(answer([&] { return ::truncate((mount / "stays").c_str(), 0); }) == "EROFS");
    CHECK(read_file(mount / "stays") == "content");
    REQUIRE(source.try_to_make(kReadWrite));
    write_file(mount / "new", "new");
    CHECK(read_file(all / "source/new") == "new");
    must(::unlink(new_file.c_str()), "unlink");
  }
  CHECK(load.running());
  load.signal(SIGKILL);
  CHECK(load.wait() == 128 + SIGKILL);
}

TEST_CASE("At the daemon's limit of descriptors a program is told so, and everything else goes on",
          "[write_trouble]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  constexpr int kLimit = 120;
  for (int i = 0; i < kLimit; ++i) {
    write_file(source / std::to_string(i), std::to_string(i));
  }
  // A ring has two descriptors for each of its threads, which would leave too few for this test.
  Mount mount(source.path(), {.options = with_option(path, "--io-uring=off"),
                              .before = [] { limit_descriptors(kLimit); }});
  for (int round = 0; round < 3; ++round) {
    std::vector<UniqueFd> held;
    std::string end;
    while (end.empty()) {
      const Path next = mount / std::to_string(held.size());
      const int fd = ::open(next.c_str(), O_RDWR | O_CLOEXEC);
      if (fd < 0) {
        end = errno_name(errno);
      } else {
        held.emplace_back(fd);
      }
    }
    CHECK(end == "ENFILE");
    CHECK(held.size() > kLimit / 4);  // one that is open for writing takes two
    CHECK(answer([&] {
            return ::open((mount / "new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
          }) == "ENFILE");
    CHECK(!std::filesystem::exists(source / "new"));
    CHECK(listing_answer(mount.root()) == "ENFILE");
    for (int i = 0; i < kLimit; ++i) {
      REQUIRE(std::filesystem::file_size(mount / std::to_string(i)) == std::to_string(i).size());
    }
    CHECK(::mkdir((mount / "directory").c_str(), 0755) == 0);
    CHECK(::rmdir((mount / "directory").c_str()) == 0);
    CHECK(answer([&] { return ::flock(held.back().get(), LOCK_EX | LOCK_NB); }) == "ENOLCK");
    for (std::size_t i = 0; i < held.size(); ++i) {
      REQUIRE(read_at(held[i].get(), 10, 0) == std::to_string(i));
      write_at(held[i].get(), std::to_string(i), 0);
    }
    for (UniqueFd& fd : held) {
      REQUIRE(::close(fd.release()) == 0);
    }
    CHECK(eventually([&] {
      return static_cast<bool>(UniqueFd(::open((mount / "119").c_str(), O_RDWR | O_CLOEXEC)));
    }));
  }
}

TEST_CASE("Who has a file open keeps his rights to it when they are taken from others",
          "[write_trouble]") {
  require_ordinary_user();
  const ReadPath path = each_read_path();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = with_option(path, "-oallow_other")});
  for (const char* where : {"mount", "source"}) {
    CAPTURE(where);
    std::filesystem::create_directory(source / where);
    write_file(source / where / "file", "content");
    must(::chown((source / where / "file").c_str(), user.uid, user.gid), "chown");
    must(::chmod((source / where).c_str(), 0755), "chmod");
    const Path changed = (where == std::string("mount") ? mount.root() : source.path()) / where;
    std::array<int, 2> ends{};
    must(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
    const UniqueFd go(ends[0]);
    const UniqueFd going(ends[1]);
    std::array<int, 2> readiness{};
    must(::pipe2(readiness.data(), O_CLOEXEC), "pipe2");
    const UniqueFd ready(readiness[0]);
    const UniqueFd being_ready(readiness[1]);
    Process program = Process::call(
        [&] {
          const UniqueFd fd = open_fd(mount / where / "file", O_RDWR);
          must(::write(being_ready.get(), "r", 1), "write");
          char byte = 0;
          must(::read(go.get(), &byte, 1), "read");
          write_at(fd.get(), "C", 0);
          must(::ftruncate(fd.get(), 4), "ftruncate");
          must(::fsync(fd.get()), "fsync");
          must(::flock(fd.get(), LOCK_EX), "flock");
          return read_at(fd.get(), 100, 0) == "Cont" ? 0 : 1;
        },
        {.user = user});
    char byte = 0;
    REQUIRE(::read(ready.get(), &byte, 1) == 1);
    must(::chown((changed / "file").c_str(), 0, 0), "chown");
    must(::chmod((changed / "file").c_str(), 0), "chmod");
    must(::chmod(changed.c_str(), 0), "chmod");
    must(::write(going.get(), "g", 1), "write");
    CHECK(program.wait() == 0);
    CHECK(read_file(source / where / "file") == "Cont");
    CHECK(eventually([&] {
      return errno_as(user, [&] { return ::open((mount / where / "file").c_str(), O_RDONLY); }) ==
             EACCES;
    }));
  }
}

TEST_CASE("An ordinary user's own mount writes as he would", "[write_trouble]") {
  require_ordinary_user();
  const ReadPath path = GENERATE(ReadPath{"--read-path=mapped"}, ReadPath{"--read-path=plain"},
                                 ReadPath{"--read-path=mapped", "--cache=never"});
  const User user = ordinary_user();
  const TemporaryDirectory source;
  must(::chown(source.path().c_str(), user.uid, user.gid), "chown");
  write_file(source / "roots", "root's");
  const Mount mount(source.path(), {.options = path, .user = user});
  const Outcome outcome = run_function(
      [&] {
        ::umask(027);
        write_file(mount / "file", "content", 0640);
        must(::mkdir((mount / "directory").c_str(), 0777), "mkdir");
        must(::rename((mount / "file").c_str(), (mount / "directory/moved").c_str()), "rename");
        const UniqueFd fd = open_fd(mount / "directory/moved", O_RDWR | O_APPEND);
        must(::write(fd.get(), " more", 5), "write");
        must(::flock(fd.get(), LOCK_EX | LOCK_NB), "flock");
        must(::fsync(fd.get()), "fsync");
        return ::open((mount / "roots").c_str(), O_WRONLY) == -1 && errno == EACCES &&
                       ::chown((mount / "directory").c_str(), 0, 0) == -1 && errno == EPERM
                   ? 0
                   : 1;
      },
      {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 0);
  CHECK(read_file(source / "directory/moved") == "content more");
  struct stat found{};
  must(::stat((source / "directory").c_str(), &found), "stat");
  CHECK(found.st_uid == user.uid);
  CHECK((found.st_mode & 07777U) == 0750);
}

}  // namespace
}  // namespace mmapdir::test
