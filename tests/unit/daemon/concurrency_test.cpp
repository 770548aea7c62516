// SPDX-License-Identifier: MIT
// Many threads on the same few names while the source changes beneath them. The thread sanitizer
// is the judge of the locks; the counts at the end tell whether every lookup was balanced.

#include <fcntl.h>

#include <array>
#include <atomic>
#include <barrier>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

constexpr std::array<const char*, 4> kNames{"a", "b", "c", "d"};
constexpr int kRounds = 300;
constexpr std::size_t kSize = 5000;

// What a concurrent change of the source may be answered with.
bool is_expected(int errnum) {
  return errnum == 0 || errnum == ENOENT || errnum == ESTALE || errnum == ENOTDIR;
}

// Catch2's assertions belong to the main thread: the others count what went wrong.
struct Worker {
  Worker(FileSystem& file_system, unsigned seed) : fs(file_system), random(seed) {}

  const char* any_name() { return kNames.at(random() % kNames.size()); }

  void expect(bool condition) { failures += condition ? 0 : 1; }

  FileSystem& fs;
  std::minstd_rand random;
  std::vector<std::byte> scratch;
  int failures = 0;
};

// Every file ever there is one letter over and over: bytes of two files must not mix.
void check_bytes(Worker& worker, const OpenedFile& opened) {
  const auto view = worker.fs.read(opened.handle, worker.random() % kSize, kSize, worker.scratch);
  worker.expect(view.has_value());
  if (view && !view->owner) {
    for (const std::byte byte : view->bytes) {
      worker.expect(byte == view->bytes.front());
    }
  }
}

void look_up_and_read(Worker& worker) {
  const auto entry = worker.fs.lookup(kRootNode, worker.any_name());
  worker.expect(is_expected(errno_of(entry)));
  if (!entry) {
    return;
  }
  worker.expect(is_expected(errno_of(worker.fs.getattr(entry->node))));
  const auto opened = worker.fs.open(entry->node, O_RDONLY, self());
  worker.expect(is_expected(errno_of(opened)));
  if (worker.random() % 2 == 0) {  // the kernel may forget an inode and release its file later
    worker.fs.forget(entry->node, 1);
    if (opened) {
      check_bytes(worker, *opened);
      worker.fs.release(opened->handle);
    }
  } else {
    if (opened) {
      check_bytes(worker, *opened);
      worker.fs.release(opened->handle);
    }
    worker.fs.forget(entry->node, 1);
  }
}

void list(Worker& worker, HandleId handle) {
  std::uint64_t cookie = 0;
  for (;;) {
    RecordingSink sink(1 + (worker.random() % 3));
    const auto listed = worker.fs.readdirplus(kRootNode, handle, cookie, sink);
    worker.expect(listed.has_value());
    if (sink.lines().empty()) {
      return;
    }
    cookie = sink.lines().back().next;
    for (const Listed& line : sink.lines()) {
      if (line.entry) {
        worker.fs.forget(line.entry->node, 1);
      }
    }
  }
}

void list_own(Worker& worker) {
  const auto handle = worker.fs.opendir(kRootNode);
  worker.expect(handle.has_value());
  if (handle) {
    list(worker, *handle);
    worker.fs.releasedir(*handle);
  }
}

// Replaces by rename, never in place, so that each file keeps the bytes that it was born with.
void change_source(const Fixture& fixture, Worker& worker) {
  const std::filesystem::path path = fixture / worker.any_name();
  switch (worker.random() % 3) {
    case 0:
      std::filesystem::remove(path);
      break;
    case 1:
      std::filesystem::create_hard_link(fixture / "kept", fixture / "fresh");
      std::filesystem::rename(fixture / "fresh", path);
      std::filesystem::remove(fixture / "fresh");  // rename leaves it, were both the same file
      break;
    default:
      write_file(fixture / "fresh",
                 std::string(kSize, static_cast<char>('a' + (worker.random() % 26))));
      std::filesystem::rename(fixture / "fresh", path);
  }
}

int run_together(FileSystem& fs, const std::vector<std::function<void(Worker&)>>& jobs) {
  std::atomic<int> failures = 0;
  std::barrier start(static_cast<std::ptrdiff_t>(jobs.size()));
  {
    std::vector<std::jthread> threads;
    unsigned seed = 1;
    for (const auto& job : jobs) {
      threads.emplace_back([&, seed] {
        Worker worker(fs, seed);
        start.arrive_and_wait();
        for (int i = 0; i < kRounds; ++i) {
          job(worker);
        }
        failures += worker.failures;
      });
      ++seed;
    }
  }
  return failures;
}

void check_all_is_given_back(Fixture& fixture) {
  CHECK(fixture.fs().counts() ==
        FileSystemCounts{.inodes = 1, .open_inodes = 0, .open_files = 0, .open_directories = 0});
  CHECK(fixture.registry().open_now() == 0);
  CHECK(fixture.registry().wrong_closes() == 0);
}

void work_on_changing_source(const FixtureOptions& options) {
  Fixture fixture(options);
  write_file(fixture / "kept", std::string(kSize, 'k'));
  const HandleId shared = fixture.open_root();
  const auto change = [&fixture](Worker& worker) { change_source(fixture, worker); };
  const auto list_shared = [shared](Worker& worker) { list(worker, shared); };
  CHECK(run_together(fixture.fs(), {look_up_and_read, look_up_and_read, look_up_and_read, list_own,
                                    list_shared, list_shared, change}) == 0);
  fixture.fs().releasedir(shared);
  check_all_is_given_back(fixture);
}

TEST_CASE("Threads on a changing source leave nothing behind and meet no error of their own",
          "[threads]") {
  const Reaching reaching = each_reaching();
  SECTION("passthrough") {
    work_on_changing_source({.read_path = ReadPath::kPassthrough, .reaching = reaching});
  }
  SECTION("mapped, with few descriptors and mappings") {
    work_on_changing_source({.read_path = ReadPath::kMapped,
                             .cached_descriptors = 2,
                             .limits = {.max_mappings = 2, .max_bytes = std::uint64_t{1} << 30U},
                             .reaching = reaching});
  }
  SECTION("plain, with one descriptor") {
    work_on_changing_source(
        {.read_path = ReadPath::kPlain, .cached_descriptors = 1, .reaching = reaching});
  }
}

TEST_CASE("Threads that open, read and release one file share what is open and close it once",
          "[threads]") {
  for (const ReadPath path : {ReadPath::kPassthrough, ReadPath::kMapped}) {
    Fixture fixture({.read_path = path});
    write_file(fixture / "a", std::string(kSize, 'a'));
    const NodeId node = fixture.node_of("a");
    const auto open_and_release = [node](Worker& worker) {
      const auto opened = worker.fs.open(node, O_RDONLY, self());
      worker.expect(opened.has_value());
      if (opened) {
        check_bytes(worker, *opened);
        worker.expect(errno_of(worker.fs.getattr(node)) == 0);
        worker.fs.release(opened->handle);
      }
    };
    CHECK(run_together(fixture.fs(), {6, open_and_release}) == 0);
    fixture.fs().forget(node, 1);
    check_all_is_given_back(fixture);
  }
}

}  // namespace
}  // namespace mmapdirfs::test
