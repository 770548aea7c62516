// SPDX-License-Identifier: MIT
// A lease that another process holds on a file of the source (fcntl, F_SETLEASE; Samba and NFS
// servers take them) is waited for as on the source, and nobody else has to wait meanwhile.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <optional>

#include "parity_answer.h"
#include "support/control_client.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/sysctl.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::array<int, 2> kTypes{F_RDLCK, F_WRLCK};

std::string name_of_type(int type) {
  if (type == F_UNLCK) {
    return "none";
  }
  return type == F_RDLCK ? "read" : "write";
}

// A lease on a file, which its holder is asked to give up by a signal and gives up when told to.
// Children that are made meanwhile share the descriptor, which matters to nobody: the lease goes
// when it is given up. A resource type.
class Lease {
 public:
  Lease(const Path& file, int type)
      : former_(std::signal(SIGIO, SIG_IGN)),
        fd_(open_fd(file, type == F_WRLCK ? O_RDWR : O_RDONLY)) {
    must(::fcntl(fd_.get(), F_SETLEASE, type), "take a lease");
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    fd_.reset();
    std::signal(SIGIO, former_);
  }

  // What the kernel leaves of it: less than was taken, once somebody wants it to be given up.
  std::string type() const { return name_of_type(must(::fcntl(fd_.get(), F_GETLEASE), "ask")); }
  void write(std::string_view bytes) const { write_at(fd_.get(), bytes, 0); }
  void give_up() const { must(::fcntl(fd_.get(), F_SETLEASE, F_UNLCK), "give a lease up"); }

 private:
  void (*former_)(int);
  UniqueFd fd_;
};

// The errno with which another process is refused a lease on the file; 0 where it isn't.
int refusal(const Path& file, int type) {
  try {
    Lease(file, type).give_up();
    return 0;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}

struct stat status_of_file(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found;
}

// How many wait for the leases on a file of the source. In /proc/locks their lines have an arrow,
// stand below the lease's, which names the file, and have the same number before a colon.
int lease_waiters(ino_t file) {
  const std::string inode = fmt::format(":{} ", file);
  std::ifstream locks("/proc/locks");
  std::string number = "none";
  int count = 0;
  for (std::string line; std::getline(locks, line);) {
    const std::string its_number = line.substr(0, line.find(':'));
    if (line.contains("LEASE") && line.contains(inode)) {
      number = its_number;
    } else if (its_number == number && line.contains("->")) {
      ++count;
    }
  }
  return count;
}

int lease_waiters(const Path& file) {
  return lease_waiters(status_of_file(open_fd(file, O_PATH).get()).st_ino);
}

// Calls in a process of its own, which exits with 0 or the errno. SIGUSR1 interrupts it.
Process begin(const std::function<long()>& call, const std::optional<User>& user = std::nullopt) {
  return Process::call(
      [&] {
        struct sigaction interruption{};  // without SA_RESTART
        interruption.sa_handler = [](int) {};
        must(::sigaction(SIGUSR1, &interruption, nullptr), "sigaction");
        return call() == -1 ? errno : 0;
      },
      {.user = user});
}

Process begin_to_open(const Path& file, int flags) {
  return begin([&] { return ::open(file.c_str(), flags | O_CLOEXEC); });
}

std::string status_of(Process& process, Seconds limit = Seconds(20)) {
  const auto status = process.wait(limit);
  if (!status) {
    return "goes on";
  }
  return *status == 0 ? "done" : errno_name(*status);
}

struct Leased {
  explicit Leased(std::vector<std::string> options)
      : mount(source.path(), {.options = std::move(options)}) {}

  std::string make_file() {
    std::string name = fmt::format("file-{}", ++count);
    write_file(source / name, "content");
    return name;
  }

  TemporaryDirectory source;
  Mount mount;
  int count = 0;
};

struct Action {
  const char* name;
  std::function<long(const char*)> call;
};

const std::vector<Action>& actions() {
  const auto opening = [](int flags) {
    return [flags](const char* path) -> long { return ::open(path, flags | O_CLOEXEC, 0600); };
  };
  static const std::vector<Action> table{
      {.name = "open for reading", .call = opening(O_RDONLY)},
      {.name = "open for writing", .call = opening(O_WRONLY)},
      {.name = "open for both", .call = opening(O_RDWR)},
      {.name = "open for reading, not waiting", .call = opening(O_RDONLY | O_NONBLOCK)},
      {.name = "open for writing, not waiting", .call = opening(O_WRONLY | O_NONBLOCK)},
      {.name = "open what may have to be made", .call = opening(O_RDWR | O_CREAT)},
      {.name = "open and cut", .call = opening(O_WRONLY | O_TRUNC)},
      {.name = "open and cut, not waiting", .call = opening(O_WRONLY | O_TRUNC | O_NONBLOCK)},
      {.name = "open for reading and cut", .call = opening(O_RDONLY | O_TRUNC)},
      {.name = "open the path", .call = opening(O_PATH)},
      {.name = "cut", .call = [](const char* path) -> long { return ::truncate(path, 3); }},
      {.name = "cut to its size",
       .call = [](const char* path) -> long { return ::truncate(path, 7); }},
      {.name = "change the mode",
       .call = [](const char* path) -> long { return ::chmod(path, 0640); }},
      {.name = "change the owner",
       .call = [](const char* path) -> long { return ::chown(path, 1, 1); }},
      {.name = "set the times",
       .call = [](const char* path) -> long { return ::utimensat(AT_FDCWD, path, nullptr, 0); }},
      {.name = "set an attribute",
       .call = [](const char* path) -> long { return ::setxattr(path, "user.a", "b", 1, 0); }},
      {.name = "link",
       .call = [](const char* path) -> long {
         return ::link(path, fmt::format("{}-linked", path).c_str());
       }},
      {.name = "rename",
       .call = [](const char* path) -> long {
         return ::rename(path, fmt::format("{}-renamed", path).c_str());
       }},
      {.name = "replace",
       .call = [](const char* path) -> long {
         const std::string other = fmt::format("{}-new", path);
         write_file(other, "new");
         return ::rename(other.c_str(), path);
       }},
      {.name = "remove", .call = [](const char* path) -> long { return ::unlink(path); }},
      {.name = "stat",
       .call = [](const char* path) -> long {
         struct stat found{};
         return ::stat(path, &found);
       }},
      {.name = "access", .call = [](const char* path) -> long { return ::access(path, R_OK); }}};
  return table;
}

// What happens when a file of the source with a lease on it is used by one of its paths.
std::string play(const Action& action, int type, const Path& on_source, const Path& path) {
  const Lease lease(on_source, type);
  const UniqueFd same = open_fd(on_source, O_PATH);
  Process user = begin([&] { return action.call(path.c_str()); });
  bool waits = false;
  REQUIRE(eventually([&] {
    waits = lease_waiters(status_of_file(same.get()).st_ino) > 0;
    return waits || !user.running();
  }));
  const std::string transcript = fmt::format("{}, and leaves of the lease: {}; ",
                                             waits ? "waits" : status_of(user), lease.type());
  lease.give_up();
  const std::string end = status_of(user);
  const struct stat left = status_of_file(same.get());
  return transcript + fmt::format("then {}, {} bytes, mode {:o}", end, left.st_size, left.st_mode);
}

TEST_CASE("What waits for a lease to be given up on the source waits for it on the mount",
          "[leases]") {
  Leased leased(each_read_path());
  for (const int type : kTypes) {
    for (const Action& action : actions()) {
      CAPTURE(action.name, name_of_type(type));
      const Path there = leased.source / leased.make_file();
      const std::string name = leased.make_file();
      CHECK(play(action, type, leased.source / name, leased.mount / name) ==
            play(action, type, there, there));
    }
  }
}

TEST_CASE("While 64 wait for a lease, others read, write, open and lock", "[leases]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  const std::string content = pattern(300'000, 1);
  write_file(leased.source / "data", content);
  const Lease lease(leased.source / name, F_WRLCK);
  std::vector<Process> waiters;
  waiters.reserve(64);
  for (int i = 0; i < 64; ++i) {
    waiters.push_back(i % 4 == 3
                          ? begin([&] { return ::truncate((leased.mount / name).c_str(), 3); })
                          : begin_to_open(leased.mount / name, O_RDWR));
    // The kernel lets one process at a time truncate a FUSE file, and only that one waits.
  }
  REQUIRE(eventually([&] { return lease_waiters(leased.source / name) >= 49; }, kPatience));

  CHECK(difference(read_file(leased.mount / "data"), content).empty());
  for (int i = 0; i < 100; ++i) {
    write_file(leased.mount / "new", std::to_string(i));
    REQUIRE(read_file(leased.mount / "new") == std::to_string(i));
  }
  const UniqueFd locked = open_fd(leased.mount / "data", O_RDWR);
  CHECK(::flock(locked.get(), LOCK_EX | LOCK_NB) == 0);
  for (const Process& waiter : waiters) {
    CHECK(::kill(waiter.pid(), 0) == 0);
  }
  CHECK(lease_waiters(leased.source / name) == 49);

  lease.give_up();
  for (Process& waiter : waiters) {
    CHECK(status_of(waiter, kPatience) == "done");
  }
}

TEST_CASE("A signal ends the waiting for a lease at once", "[leases]") {
  Leased leased(each_read_path());
  const bool cuts = GENERATE(false, true);
  CAPTURE(cuts);
  const std::string name = leased.make_file();
  const Lease lease(leased.source / name, F_WRLCK);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    Process waiter = cuts ? begin([&] { return ::truncate((leased.mount / name).c_str(), 3); })
                          : begin_to_open(leased.mount / name, O_WRONLY | O_TRUNC);
    REQUIRE(eventually([&] { return lease_waiters(leased.source / name) == 1; }));
    waiter.signal(SIGUSR1);
    REQUIRE(status_of(waiter) == "EINTR");
  }
  CHECK(lease_waiters(leased.source / name) == 0);
  lease.give_up();
  CHECK(read_file(leased.source / name) == "content");
}

TEST_CASE("A killed waiter for a lease leaves nothing behind", "[leases]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  {
    const Lease lease(leased.source / name, F_WRLCK);
    for (const int flags : {O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC}) {
      Process waiter = begin_to_open(leased.mount / name, flags);
      REQUIRE(eventually([&] { return lease_waiters(leased.source / name) == 1; }));
      waiter.signal(SIGKILL);
      CHECK(waiter.wait(Seconds(20)) == 128 + SIGKILL);
      CHECK(eventually([&] { return lease_waiters(leased.source / name) == 0; }));
    }
    lease.give_up();
  }
  // For which nobody else may have the file open.
  CHECK(refusal(leased.source / name, F_WRLCK) == 0);
  CHECK(read_file(leased.mount / name) == "content");
}

TEST_CASE("What the holder of a lease wrote before it gave that up is seen by who waited for it",
          "[leases]") {
  Leased leased(each_read_path());
  const std::string written = pattern(100'000, 1);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    const std::string name = leased.make_file();
    REQUIRE(std::filesystem::file_size(leased.mount / name) == 7);
    const Lease lease(leased.source / name, F_WRLCK);
    Process reader = begin([&] {
      const UniqueFd fd = open_fd(leased.mount / name, O_RDONLY);
      struct stat found{};
      must(::fstat(fd.get(), &found), "fstat");
      return found.st_size == 100'000 && difference(read_at(fd.get(), 200'000, 0), written).empty()
                 ? 0
                 : must(-1, "see what was written");
    });
    REQUIRE(eventually([&] { return lease_waiters(leased.source / name) == 1; }));
    lease.write(written);
    lease.give_up();
    REQUIRE(reader.wait() == 0);
  }
}

TEST_CASE("Who has waited for a lease acts for himself", "[leases]") {
  require_ordinary_user();
  Leased leased(with_option(each_read_path(), "-oallow_other"));
  must(::chmod(leased.source.path().c_str(), 0777), "chmod");
  const auto mode_after = [&](const Path& on_source, const Path& path, bool cuts) {
    must(::chmod(on_source.c_str(), 06777), "chmod");
    const Lease lease(on_source, F_RDLCK);
    Process waiter = begin(
        [&]() -> long {
          return cuts ? ::truncate(path.c_str(), 3)
                      : ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
        },
        ordinary_user());
    REQUIRE(eventually([&] { return lease_waiters(on_source) == 1; }));
    lease.give_up();
    REQUIRE(status_of(waiter) == "done");
    struct stat found{};
    must(::stat(on_source.c_str(), &found), "stat");
    return found.st_mode;
  };
  for (const bool cuts : {false, true}) {
    CAPTURE(cuts);
    const Path there = leased.source / leased.make_file();
    const std::string name = leased.make_file();
    CHECK(mode_after(leased.source / name, leased.mount / name, cuts) ==
          mode_after(there, there, cuts));
  }
}

TEST_CASE("Who only reads breaks no lease by a flock, or by asking for record locks", "[leases]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  const Lease lease(leased.source / name, F_RDLCK);
  const UniqueFd fd = open_fd(leased.mount / name, O_RDONLY);
  CHECK(read_at(fd.get(), 100, 0) == "content");
  CHECK(::flock(fd.get(), LOCK_SH) == 0);
  CHECK(::flock(fd.get(), LOCK_EX) == 0);
  struct flock question{};
  question.l_type = F_RDLCK;
  CHECK(::fcntl(fd.get(), F_GETLK, &question) == 0);
  CHECK(lease.type() == "read");
  lease.give_up();
}

// Nobody else may have a file open on which a write lease is taken.
TEST_CASE("Files that were read stand in the way of write leases until clear-cache at the latest",
          "[leases]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  CHECK(read_file(leased.mount / name) == "content");
  CHECK(refusal(leased.source / name, F_RDLCK) == 0);
  CHECK(control(leased.mount.root(), "clear-cache").ends_with(kDone));
  // The close in the kernel comes a moment after the program's.
  CHECK(eventually([&] {
    return refusal(leased.source / name, F_WRLCK) == 0 ||
           !control(leased.mount.root(), "clear-cache").ends_with(kDone);
  }));
}

TEST_CASE("Where opens send no message, it is the first read that waits for a lease", "[leases]") {
  Leased leased({"-oro", "--cache=always", "--read-path=mapped"});
  const std::string name = leased.make_file();
  REQUIRE(read_file(leased.mount / leased.make_file()) == "content");
  const Lease lease(leased.source / name, F_WRLCK);
  const UniqueFd fd = open_fd(leased.mount / name, O_RDONLY);
  Process reader = begin(
      [&] { return read_at(fd.get(), 100, 0) == "content" ? 0 : must(-1, "see the content"); });
  REQUIRE(eventually([&] { return lease_waiters(leased.source / name) == 1; }));
  lease.give_up();
  CHECK(status_of(reader) == "done");
}

TEST_CASE("A mount that is ended lets go of who waits for a lease", "[leases]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  const Lease lease(leased.source / name, F_WRLCK);
  Process opener = begin_to_open(leased.mount / name, O_RDONLY);
  Process other = begin_to_open(leased.mount / name, O_WRONLY);
  REQUIRE(eventually([&] { return lease_waiters(leased.source / name) == 2; }));
  leased.mount.daemon().signal(SIGTERM);
  CHECK(leased.mount.daemon().wait(Seconds(20)) == 0);  // leases are kept for twice as long
  CHECK(opener.wait(Seconds(20)).value_or(0) != 0);
  CHECK(other.wait(Seconds(20)).value_or(0) != 0);
}

TEST_CASE("A lease that isn't given up runs out, on the mount too", "[leases][sysctl]") {
  Leased leased(each_read_path());
  const std::string name = leased.make_file();
  const Sysctl second("fs/lease-break-time", 1);
  const Lease lease(leased.source / name, F_WRLCK);
  Process opener = begin_to_open(leased.mount / name, O_RDWR);
  CHECK(status_of(opener) == "done");
  CHECK(lease.type() == "none");
}

}  // namespace
}  // namespace mmapdir::test
