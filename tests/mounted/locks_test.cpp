// SPDX-License-Identifier: MIT
// Locks taken through the mount exclude those taken there and those taken on the source, in all the
// ways in which locks on the source exclude each other.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <map>
#include <memory>
#include <sstream>

#include "parity_answer.h"
#include "support/files.h"
#include "support/lock_peer.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

struct Kind {
  const char* name;
  int set;
  int wait;
  int test;
};
constexpr std::array kKinds{
    Kind{.name = "record", .set = F_SETLK, .wait = F_SETLKW, .test = F_GETLK},
    Kind{.name = "description", .set = F_OFD_SETLK, .wait = F_OFD_SETLKW, .test = F_OFD_GETLK},
    Kind{.name = "flock", .set = kFlock, .wait = kFlock, .test = kFlock}};

int flock_operation(short type) {
  if (type == F_UNLCK) {
    return LOCK_UN;
  }
  return type == F_RDLCK ? LOCK_SH : LOCK_EX;
}

LockCall lock_call(const Kind& kind, int descriptor, short type, bool wait, off_t start = 0,
                   off_t length = 0) {
  LockCall call{.descriptor = descriptor, .command = wait ? kind.wait : kind.set, .lock = {}};
  call.lock.l_type = type;
  call.lock.l_start = start;
  call.lock.l_len = length;
  if (kind.set == kFlock) {
    call.lock.l_type = static_cast<short>(flock_operation(type) | (wait ? 0 : LOCK_NB));
  }
  return call;
}

// Each step is who (A, B or C; a, b, c by its other descriptor), what, and the bytes (all of them
// where none are named):
//   r w u   take a read or write lock or give back, at once
//   R W     the same, waiting; the step is over when it waits
//   .       the answer to that
//   L       a write lock, waiting until it is had
//   ?       what is in the way of a write lock
//   c x f   opens and closes the file once more; closes the descriptor; goes on as a child
//   o       opens the file anew as the descriptor
//   h e     a child begins to hold what is open, and does nothing else; it ends
//   X       exits
//   ! ~     is interrupted by a signal; is killed
struct Script {
  const char* name;
  std::vector<const char*> steps;
  bool is_for_records_only = false;  // of a description's locks, what comes after `e` is a race
};

const std::vector<Script>& scripts() {
  static const std::vector<Script> table{
      Script{
          .name = "readers share, a writer keeps out and is kept out",
          .steps = {"A r", "B r", "B w", "A w", "A u", "B w", "A r", "A w", "B u", "A w", "B r"}},
      Script{.name = "ranges that don't meet don't matter",
             .steps = {"A w 0 10", "B w 10 10", "B w 9 1", "B r 0 0", "B w 20 0", "A w 19 2",
                       "A u 5 1", "B w 5 1", "B w 4 1", "A ?", "B ?"}},
      Script{.name = "what is in the way is told",
             .steps = {"A w 100 50", "B ? 0 101", "B ? 150 1", "B ? 0 100", "A ?"}},
      Script{.name = "a lock can be raised and lowered",
             .steps = {"A r 0 10", "B r 5 10", "A w 0 5", "A w 0 10", "B u 5 10", "A w 0 10",
                       "A r 0 10", "B r 0 10", "B w 0 10"}},
      Script{.name = "beyond 4 GiB and at the end of the numbers",
             .steps = {"A w 5000000000 10", "B w 5000000005 1", "B w 4999999990 10",
                       "A w 9223372036854775806 1", "B r 9223372036854775806 1",
                       "B ? 9223372036854775800 0"}},
      Script{.name = "numbers that make no range",
             .steps = {"A w -1 1", "A w 10 -5", "B w 5 5", "B w 10 1", "A w 3 -10",
                       "A w 9223372036854775807 10"}},
      Script{.name = "who waits gets it when it is given back",
             .steps = {"A w", "B W", "A u", "B .", "A w", "B u", "A w"}},
      Script{.name = "who waits for a part gets it when that is given back",
             .steps = {"A w 0 100", "B W 50 10", "A u 0 50", "A u 50 10", "B .", "A ? 0 100"}},
      Script{.name = "a writer waits for the last reader",
             .steps = {"A r", "C r", "B W", "A u", "C u", "B .", "A r"}},
      Script{.name = "raising waits, and goes on",
             .steps = {"A r", "B r", "A W", "B u", "A .", "B r"}},
      Script{.name = "another waits as well, and both get it",
             .steps = {"A w", "B R", "C R", "A u", "B .", "C ."}},
      Script{.name = "two descriptors of one process",
             .steps = {"A w 0 10", "a w 0 10", "a u 0 10", "B w 0 10"}},
      Script{.name = "opening and closing the file once more",
             .steps = {"A w 0 10", "A c", "B w 0 10"}},
      Script{.name = "closing the other descriptor", .steps = {"A w 0 10", "a x", "B w 0 10"}},
      Script{.name = "closing the descriptor", .steps = {"A w", "A x", "B L", "C r"}},
      Script{.name = "exiting", .steps = {"A w", "B r", "A X", "B L", "C r"}},
      Script{.name = "exiting while another waits", .steps = {"A w", "B W", "A X", "B .", "C r"}},
      Script{.name = "a killed holder leaves nothing",
             .steps = {"A w", "B W", "A ~", "B .", "C r"}},
      Script{.name = "a child has its parent's descriptors and not its records",
             .steps = {"A w 0 10", "A f", "B w 0 10", "A w 0 10", "A u 0 10", "B w 0 10"}},
      Script{.name = "a child that exits takes nothing of its parent's along",
             .steps = {"A r", "A f", "A c", "B w"}},
      Script{.name = "a signal ends the waiting",
             .steps = {"A w", "B W", "B !", "B .", "A u", "C w"}},
      Script{.name = "a killed waiter leaves nothing",
             .steps = {"A w", "B W", "B ~", "A u", "C w"}},
      Script{.name = "a killed waiter lets the next one through",
             .steps = {"A r", "B W", "C W", "B ~", "A u", "C ."}},
      Script{.name = "the late close of a handle takes no lock that came after it",
             .steps = {"A w 0 10", "A h", "A x", "A o", "A w 0 10", "A e", "B w 0 10", "B ? 0 10",
                       "C r 5 1", "A u 0 10", "B w 0 10"},
             .is_for_records_only = true},
      Script{.name = "the late close of a handle that only locked other bytes",
             .steps = {"A w 0 10", "A w 20 10", "A h", "A x", "B w 0 30", "A o", "A w 5 20", "A e",
                       "B w 4 1", "B w 5 1", "B w 24 1", "B w 25 1"},
             .is_for_records_only = true},
      Script{.name = "an old handle is closed while a lock is held by way of the other",
             .steps = {"A w 0 10", "A h", "A x", "a w 0 10", "A e", "B w 0 10", "a x", "B w 0 10"},
             .is_for_records_only = true},
  };
  return table;
}

// The processes of a script, each at its place.
class Stage {
 public:
  Stage(const Kind& kind, Path watched, const std::map<char, Path>& places)
      : kind_(kind), watched_(std::move(watched)) {
    for (const auto& [who, place] : places) {
      peers_.try_emplace(who, place);
    }
  }

  std::string play(const std::vector<const char*>& steps) {
    std::string transcript;
    for (const char* step : steps) {
      transcript += fmt::format("{}: {}\n", step, play(std::string(step)));
    }
    return transcript;
  }

 private:
  std::string play(const std::string& step) {
    std::istringstream words(step);
    char who = 0;
    char what = 0;
    off_t start = 0;
    off_t length = 0;
    words >> who >> what >> start >> length;
    LockPeer& peer = peers_.at(static_cast<char>(who & ~0x20));
    const int descriptor = (who & 0x20) != 0 ? 1 : 0;
    const auto call = [&](short type, bool wait) {
      return lock_call(kind_, descriptor, type, wait, start, length);
    };
    const auto command = [&](int number) {
      return LockCall{.descriptor = descriptor, .command = number, .lock = {}};
    };
    switch (what) {
      case 'r':
        return outcome(peer.ask(call(F_RDLCK, false)));
      case 'w':
        return outcome(peer.ask(call(F_WRLCK, false)));
      case 'u':
        return outcome(peer.ask(call(F_UNLCK, false)));
      case 'L':
        return outcome(peer.ask(call(F_WRLCK, true)));
      case 'R':
        return begin(peer, call(F_RDLCK, true));
      case 'W':
        return begin(peer, call(F_WRLCK, true));
      case '?':
        return in_the_way(peer, call(F_WRLCK, false));
      case 'c':
        return outcome(peer.ask(command(kCloseOther)));
      case 'x':
        return outcome(peer.ask(command(kClose)));
      case 'f':
        return outcome(peer.ask(command(kFork)));
      case 'o':
        return outcome(peer.ask(command(kOpen)));
      case 'h':
        return outcome(peer.ask(command(kHold)));
      case 'e':
        return outcome(peer.ask(command(kEndHold)));
      case '.':
        return collect(peer);
      case '!':
        peer.process().signal(SIGUSR1);
        return "";
      case '~':
        return end(peer, [&] { peer.process().signal(SIGKILL); });
      case 'X':
        return end(peer, [&] { peer.begin(command(kExit)); });
      default:
        throw std::invalid_argument(step);
    }
  }

  static std::string outcome(const LockAnswer& answer) {
    return answer.error == 0 ? "done" : errno_name(answer.error);
  }

  static std::string collect(LockPeer& peer) {
    const auto answer = peer.answer(Seconds(20));
    return answer ? outcome(*answer) : "no answer";
  }

  std::string begin(LockPeer& peer, const LockCall& call) const {
    const int before = lock_waiters(watched_);
    peer.begin(call);
    return eventually([&] { return lock_waiters(watched_) > before; }) ? "waits" : "doesn't wait";
  }

  static std::string end(LockPeer& peer, const std::function<void()>& how) {
    how();
    return peer.process().wait(Seconds(20)) ? "ended" : "lives on";
  }

  std::string in_the_way(LockPeer& peer, LockCall call) const {
    if (kind_.set == kFlock) {
      return "";
    }
    call.command = kind_.test;
    const LockAnswer answer = peer.ask(call);
    const struct flock& lock = answer.lock;
    if (answer.error != 0) {
      return errno_name(answer.error);
    }
    return lock.l_type == F_UNLCK
               ? "nothing"
               : fmt::format("type {} from {} for {}", lock.l_type, lock.l_start, lock.l_len);
  }

  const Kind& kind_;
  const Path watched_;  // the file on the source
  std::map<char, LockPeer> peers_;
};

// A writable mount, and files on it that nobody has locked yet.
struct Locked {
  explicit Locked(const ReadPath& path) : mount(source.path(), {.options = path}) {}

  std::string make_file() {
    std::string name = fmt::format("file-{}", ++count);
    write_file(source / name, "content");
    return name;
  }

  TemporaryDirectory source;
  Mount mount;
  int count = 0;
};

TEST_CASE("Locks exclude on the mount, and against the source, as they do on the source alone",
          "[locks]") {
  Locked locked(each_read_path());
  const auto play = [&](const Kind& kind, const Script& script, std::string_view places) {
    const std::string name = locked.make_file();
    std::map<char, Path> files;
    for (std::size_t i = 0; i < places.size(); ++i) {
      files.emplace(static_cast<char>('A' + i),
                    places[i] == 'm' ? locked.mount / name : locked.source / name);
    }
    return Stage(kind, locked.source / name, files).play(script.steps);
  };
  for (const Kind& kind : kKinds) {
    for (const Script& script : scripts()) {
      if (script.is_for_records_only && kind.set != F_SETLK) {
        continue;
      }
      const std::string expected = play(kind, script, "sss");
      for (const std::string_view places : {"mmm", "mss", "smm", "mms"}) {
        CAPTURE(kind.name, script.name, places);
        CHECK(play(kind, script, places) == expected);
      }
    }
  }
}

// The release of each handle is under way while the file is opened and locked anew.
TEST_CASE("Opening, locking and closing again and again, a lock always keeps others out",
          "[locks]") {
  Locked locked(each_read_path());
  const std::string name = locked.make_file();
  LockPeer holder(locked.mount / name);
  LockPeer other(locked.mount / name);
  const auto close = [](int command) {
    return LockCall{.descriptor = 0, .command = command, .lock = {}};
  };
  constexpr int kTurns = 3000;
  int kept_out = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    holder.ask(close(kOpen));
    REQUIRE(holder.ask(lock_call(kKinds[0], 0, F_WRLCK, false)).error == 0);
    kept_out += other.ask(lock_call(kKinds[0], 0, F_WRLCK, false)).error == EAGAIN ? 1 : 0;
    holder.ask(close(kClose));
  }
  CHECK(kept_out == kTurns);
}

// What the last close gives back is given back by a message for which nobody waits. Who asks on the
// mount just then gets the lock all the same.
TEST_CASE("A lock is free once the file was closed, also one of an open file", "[locks]") {
  Locked locked(each_read_path());
  const std::string name = locked.make_file();
  const int flags = GENERATE(O_RDWR, O_RDONLY);
  LockPeer other(locked.mount / name);
  const auto close = [](int command) {
    return LockCall{.descriptor = 0, .command = command, .lock = {}};
  };
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name, flags);
    const short type = flags == O_RDWR || kind.set == kFlock ? F_WRLCK : F_RDLCK;
    LockPeer holder(locked.mount / name, {flags, flags});
    constexpr int kTurns = 300;
    int had = 0;
    for (int turn = 0; turn < kTurns; ++turn) {
      holder.ask(close(kOpen));
      REQUIRE(holder.ask(lock_call(kind, 0, type, false)).error == 0);
      holder.ask(close(kClose));
      had += other.ask(lock_call(kind, 0, F_WRLCK, false)).error == 0 ? 1 : 0;
      other.ask(lock_call(kind, 0, F_UNLCK, false));
    }
    CHECK(had == kTurns);
  }
}

TEST_CASE("Who is in the way of a lock is told by his process id", "[locks]") {
  Locked locked(each_read_path());
  const std::string name = locked.make_file();
  LockPeer here(locked.mount / name);
  LockPeer also_here(locked.mount / name);
  LockPeer there(locked.source / name);
  const Kind record = kKinds.front();
  const auto in_the_way_at = [&](off_t at) {
    LockCall question = lock_call(record, 0, F_WRLCK, false, at, 1);
    question.command = F_GETLK;
    return also_here.ask(question).lock.l_pid;
  };
  REQUIRE(here.ask(lock_call(record, 0, F_WRLCK, false, 0, 1)).error == 0);
  REQUIRE(there.ask(lock_call(record, 0, F_WRLCK, false, 1, 1)).error == 0);
  CHECK(in_the_way_at(0) == here.process().pid());
  CHECK(in_the_way_at(1) == there.process().pid());
}

TEST_CASE("A lock wants a descriptor that may do what it protects", "[locks]") {
  Locked locked(each_read_path());
  for (const Kind& kind : kKinds) {
    for (const short type : {short{F_RDLCK}, short{F_WRLCK}}) {
      for (const int descriptor : {0, 1}) {
        const LockCall call = lock_call(kind, descriptor, type, false);
        const auto error_of = [&](const Path& file) {
          return LockPeer(file, {O_RDONLY, O_WRONLY}).ask(call).error;
        };
        CAPTURE(kind.name, type, descriptor);
        CHECK(error_of(locked.mount / locked.make_file()) ==
              error_of(locked.source / locked.make_file()));
      }
    }
  }
}

TEST_CASE("A signal ends the waiting for a lock at once", "[locks]") {
  Locked locked(each_read_path());
  for (const Kind& kind : kKinds) {
    const std::string name = locked.make_file();
    LockPeer holder(locked.source / name);
    LockPeer waiter(locked.mount / name);
    REQUIRE(holder.ask(lock_call(kind, 0, F_WRLCK, false)).error == 0);
    for (int round = 0; round < 20; ++round) {
      waiter.begin(lock_call(kind, 0, F_WRLCK, true));
      REQUIRE(eventually([&] { return lock_waiters(locked.source / name) == 1; }));
      waiter.process().signal(SIGUSR1);
      const auto answer = waiter.answer(Seconds(5));
      CAPTURE(kind.name, round);
      REQUIRE(answer.has_value());
      REQUIRE(answer.value_or(LockAnswer{}).error == EINTR);
    }
    CHECK(eventually([&] { return lock_waiters(locked.source / name) == 0; }));
  }
}

TEST_CASE("While 200 wait for a lock, others read, write and give locks back", "[locks]") {
  Locked locked(each_read_path());
  const Kind& kind = GENERATE(from_range(kKinds));
  CAPTURE(kind.name);
  const std::string name = locked.make_file();
  const std::string content = pattern(300'000, 1);
  write_file(locked.source / "data", content);
  LockPeer holder(locked.mount / name);
  REQUIRE(holder.ask(lock_call(kind, 0, F_WRLCK, false)).error == 0);
  std::vector<Process> waiters;
  waiters.reserve(200);
  for (int i = 0; i < 200; ++i) {
    waiters.push_back(Process::call([&] {
      const UniqueFd fd = open_fd(locked.mount / name, O_RDWR);
      LockCall call = lock_call(kind, 0, F_WRLCK, true);
      return kind.set == kFlock ? ::flock(fd.get(), LOCK_EX)
                                : ::fcntl(fd.get(), call.command, &call.lock);
    }));
  }
  REQUIRE(eventually([&] { return lock_waiters(locked.source / name) == 200; }, kPatience));

  CHECK(difference(read_file(locked.mount / "data"), content).empty());
  for (int i = 0; i < 100; ++i) {
    write_file(locked.mount / "new", std::to_string(i));
    REQUIRE(read_file(locked.mount / "new") == std::to_string(i));
  }
  const std::string other = locked.make_file();
  LockPeer neighbour(locked.mount / other);
  CHECK(neighbour.ask(lock_call(kind, 0, F_WRLCK, false)).error == 0);

  for (int i = 0; i < 100; ++i) {
    waiters.back().signal(SIGKILL);
    CHECK(waiters.back().wait(Seconds(20)) == 128 + SIGKILL);
    waiters.pop_back();
  }
  CHECK(eventually([&] { return lock_waiters(locked.source / name) == 100; }));
  CHECK(holder.ask(lock_call(kind, 0, F_UNLCK, false)).error == 0);
  for (Process& waiter : waiters) {
    CHECK(waiter.wait(kPatience) == 0);
  }
  LockPeer last(locked.source / name);
  CHECK(last.ask(lock_call(kind, 0, F_WRLCK, true)).error == 0);
}

TEST_CASE("A mount that is ended lets its waiters go", "[locks]") {
  Locked locked(each_read_path());
  const std::string name = locked.make_file();
  LockPeer holder(locked.source / name);
  LockPeer waiter(locked.mount / name);
  REQUIRE(holder.ask(lock_call(kKinds.front(), 0, F_WRLCK, false)).error == 0);
  waiter.begin(lock_call(kKinds.front(), 0, F_WRLCK, true));
  REQUIRE(eventually([&] { return lock_waiters(locked.source / name) == 1; }));
  locked.mount.daemon().signal(SIGTERM);
  CHECK(locked.mount.daemon().wait(kPatience) == 0);
  const auto answer = waiter.answer(Seconds(20));
  REQUIRE(answer.has_value());
  CHECK(answer.value_or(LockAnswer{}).error != 0);
}

}  // namespace
}  // namespace mmapdir::test
