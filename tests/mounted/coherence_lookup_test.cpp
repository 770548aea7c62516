// SPDX-License-Identifier: MIT
// Answers that are under way while what they tell changes on the source: the kernel must not keep
// them as if they were true.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <fstream>
#include <thread>

#include "coherence_view.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::chrono::milliseconds kDelay(300);

// Threads that wait for a request: those that read /dev/fuse.
std::vector<std::string> request_threads(pid_t daemon) {
  std::vector<std::string> threads;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", daemon))) {
    long call = -1;
    if (std::ifstream(task.path() / "syscall") >> call; call == SYS_read || call == SYS_splice) {
      threads.push_back(task.path().filename());
    }
  }
  return threads;
}

// Holds back each answer of the daemon's, but nothing else that it does, for a while.
class SlowAnswers {
 public:
  explicit SlowAnswers(const Process& daemon) : strace_(start(daemon.pid())) {
    const std::string wanted = fmt::format("TracerPid:\t{}", strace_.pid());
    for (const auto& thread : request_threads(daemon.pid())) {
      const auto status = fmt::format("/proc/{}/task/{}/status", daemon.pid(), thread);
      REQUIRE(eventually([&] { return read_status(status).contains(wanted); }));
    }
  }

  ~SlowAnswers() {
    strace_.signal(SIGINT);
    strace_.wait();
  }
  SlowAnswers(const SlowAnswers&) = delete;
  SlowAnswers& operator=(const SlowAnswers&) = delete;

 private:
  static std::string read_status(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static Process start(pid_t daemon) {
    std::vector<std::string> command{
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=writev",
        "-e",
        fmt::format("inject=writev:delay_enter={}", std::chrono::microseconds(kDelay).count())};
    const auto threads = request_threads(daemon);
    REQUIRE_FALSE(threads.empty());
    for (const auto& thread : threads) {
      command.insert(command.end(), {"-p", thread});
    }
    return Process::program(command);
  }

  Process strace_;
};

struct Race {
  const char* name;
  void (*look)(const Path& mount);
  void (*change)(const Path& source);
};

void stat_file(const Path& root) {
  struct stat found{};
  ::lstat((root / "file").c_str(), &found);
}
void stat_absent(const Path& root) {
  struct stat found{};
  ::lstat((root / "absent").c_str(), &found);
}
void stat_directory(const Path& root) {
  struct stat found{};
  ::lstat((root / "directory").c_str(), &found);
}
void list(const Path& root) { names_in(root); }
void list_and_look(const Path& root) {
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    struct stat found{};
    ::lstat(entry.path().c_str(), &found);
  }
}

const std::vector<Race>& races() {
  static const std::vector<Race> table{
      {.name = "a file is looked up while its mode changes",
       .look = stat_file,
       .change = [](const Path& source) { ::chmod((source / "file").c_str(), 0600); }},
      {.name = "a file is looked up while it grows",
       .look = stat_file,
       .change =
           [](const Path& source) {
             write_at(open_fd(source / "file", O_WRONLY | O_APPEND).get(), "more", 0);
           }},
      {.name = "a file is looked up while it is deleted",
       .look = stat_file,
       .change = [](const Path& source) { std::filesystem::remove(source / "file"); }},
      {.name = "a file is looked up while it is replaced",
       .look = stat_file,
       .change =
           [](const Path& source) {
             write_file(source / "elsewhere/new", "replaced");
             std::filesystem::rename(source / "elsewhere/new", source / "file");
           }},
      {.name = "a file is looked up while it moves away",
       .look = stat_file,
       .change =
           [](const Path& source) {
             std::filesystem::rename(source / "file", source / "elsewhere/file");
           }},
      {.name = "a name is looked up while it comes into being",
       .look = stat_absent,
       .change = [](const Path& source) { write_file(source / "absent", "new"); }},
      {.name = "a directory is looked up while its mode changes",
       .look = stat_directory,
       .change = [](const Path& source) { ::chmod((source / "directory").c_str(), 0700); }},
      {.name = "a directory is looked up while a file is made in it",
       .look = stat_directory,
       .change = [](const Path& source) { write_file(source / "directory/new", "new"); }},
      {.name = "a directory is looked up while it is renamed",
       .look = stat_directory,
       .change =
           [](const Path& source) {
             std::filesystem::rename(source / "directory", source / "moved");
           }},
      {.name = "a directory is listed while a name goes",
       .look = list,
       .change = [](const Path& source) { std::filesystem::remove(source / "file"); }},
      {.name = "a directory is listed while a name comes",
       .look = list,
       .change = [](const Path& source) { write_file(source / "absent", "new"); }},
      {.name = "a directory is listed while a file in it changes",
       .look = list_and_look,
       .change = [](const Path& source) { ::chmod((source / "file").c_str(), 0600); }},
      {.name = "a directory is listed while a directory in it changes",
       .look = list_and_look,
       .change = [](const Path& source) { ::chmod((source / "directory").c_str(), 0700); }},
  };
  return table;
}

void make_race_tree(const Path& root) {
  write_file(root / "file", "bytes");
  std::filesystem::create_directory(root / "directory");
  std::filesystem::create_directory(root / "elsewhere");
}

View attributes_in(const Path& root) {
  View view;
  for (const char* name : {"file", "absent", "directory", "moved"}) {
    struct stat found{};
    view[name] = ::lstat((root / name).c_str(), &found) == 0 ? attributes(root / name) : "none";
  }
  return view;
}

TEST_CASE("What changes while the kernel is being told of it isn't kept as it was", "[coherence]") {
  require_strace();
  const auto index = GENERATE(range(std::size_t{0}, races().size()));
  const Race& race = races()[index];
  INFO(race.name);
  const TemporaryDirectory source;
  make_race_tree(source.path());
  Mount mount(source.path(), {.options = {"--read-path=mapped", "--cache=auto", "--io-uring=off"}});
  {
    const SlowAnswers slow(mount.daemon());
    Process reader = Process::call([&] {
      const auto began = std::chrono::steady_clock::now();
      race.look(mount.root());
      return std::chrono::steady_clock::now() - began < kDelay ? 1 : 0;
    });
    // While the first answer is held back: the question arrives at once.
    std::this_thread::sleep_for(kDelay / 2);
    race.change(source.path());
    CHECK(reader.wait(kPatience) == 0);
  }
  // Attributes first: a listing brings them along.
  const View expected = attributes_in(source.path());
  eventually([&] { return attributes_in(mount.root()) == expected; }, Seconds(5));
  check_equal(attributes_in(mount.root()), expected);
  CHECK(eventually([&] { return names_in(mount.root()) == names_in(source.path()); }, Seconds(5)));
}

}  // namespace
}  // namespace mmapdir::test
