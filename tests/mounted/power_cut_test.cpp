// SPDX-License-Identifier: MIT
// The power goes while a program writes: what reached the disk by then, a copy of its image, is
// mounted afterwards as after a restart, and everything that was acknowledged is there.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <fstream>
#include <new>

#include "support/disk_image.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;
using Counter = std::atomic<int>;
static_assert(Counter::is_always_lock_free);

constexpr std::size_t kRecord = 3'000;  // most straddle pages
constexpr int kMostRounds = 400;

enum class Syncs { kYes, kNo };

std::string record(int round) { return pattern(kRecord, static_cast<std::uint32_t>(round + 1)); }
off_t place_of(int round) { return round * static_cast<off_t>(kRecord); }

// What the writer has been promised, counted where its death and the daemon's don't reach.
class Promises {
 public:
  Promises()
      : counter_(new(::mmap(nullptr, sizeof(Counter), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Counter(0)) {}
  Promises(const Promises&) = delete;
  Promises& operator=(const Promises&) = delete;
  ~Promises() { ::munmap(counter_, sizeof(Counter)); }

  // Rounds that were completed.
  Counter& rounds() const { return *counter_; }

 private:
  Counter* counter_;
};

// Writes in every way there is to make something durable, round by round.
class Writer {
 public:
  Writer(Path root, Syncs syncs) : root_(std::move(root)), syncs_(syncs) {
    const int mapped = mapped_.get();
    must(::ftruncate(mapped, place_of(kMostRounds)), "ftruncate");
    map_ = static_cast<char*>(::mmap(nullptr, static_cast<std::size_t>(place_of(kMostRounds)),
                                     PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0));
    sync(mapped, &::fsync);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { ::munmap(map_, static_cast<std::size_t>(place_of(kMostRounds))); }

  void write_round(int round) {
    const std::string bytes = record(round);
    append(log_.get(), bytes);
    sync(log_.get(), &::fdatasync);
    append(synchronous_.get(), bytes);
    std::string copy = bytes;
    const iovec piece{.iov_base = copy.data(), .iov_len = copy.size()};
    must(::pwritev2(once_.get(), &piece, 1, place_of(round), does_sync() ? RWF_DSYNC : 0),
         "pwritev2");
    bytes.copy(map_ + place_of(round), bytes.size());
    if (does_sync()) {
      must(::msync(map_, static_cast<std::size_t>(place_of(round + 1)), MS_SYNC), "msync");
    }
    write_file(root_ / "temporary", fmt::format("{}", round));
    // As Lucene does it: a new descriptor that can only read.
    sync(open_fd(root_ / "temporary", O_RDONLY).get(), &::fsync);
    must(::rename((root_ / "temporary").c_str(), (root_ / "current").c_str()), "rename");
    write_file(root_ / fmt::format("file-{}", round), bytes);
    sync(open_fd(root_ / fmt::format("file-{}", round), O_RDONLY).get(), &::fsync);
    if (round > 0) {
      must(::unlink((root_ / fmt::format("file-{}", round - 1)).c_str()), "unlink");
    }
    sync(directory_.get(), &::fsync);
  }

 private:
  bool does_sync() const { return syncs_ == Syncs::kYes; }
  int synchronous() const { return does_sync() ? O_DSYNC : 0; }

  static void append(int fd, const std::string& bytes) {
    if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("the source is full");
    }
  }

  void sync(int fd, int (*how)(int)) const {
    if (does_sync()) {
      must(how(fd), "sync");
    }
  }

  Path root_;
  Syncs syncs_;
  UniqueFd directory_ = open_fd(root_, O_RDONLY | O_DIRECTORY);
  UniqueFd log_ = open_fd(root_ / "log", O_WRONLY | O_CREAT | O_APPEND);
  UniqueFd synchronous_ = open_fd(root_ / "synchronous", O_WRONLY | O_CREAT | synchronous());
  UniqueFd once_ = open_fd(root_ / "once", O_RDWR | O_CREAT);
  UniqueFd mapped_ = open_fd(root_ / "mapped", O_RDWR | O_CREAT);
  char* map_ = nullptr;
};

// The promises of `rounds` rounds that a disk doesn't keep.
std::vector<std::string> broken_promises(const Path& root, int rounds) {
  std::vector<std::string> broken;
  const auto content = [&](const std::string& name) {
    return std::filesystem::exists(root / name) ? read_file(root / name) : std::string();
  };
  std::string expected;
  for (int round = 0; round < rounds; ++round) {
    expected += record(round);
  }
  for (const char* name : {"log", "synchronous", "once", "mapped"}) {
    if (!content(name).starts_with(expected)) {
      broken.emplace_back(name);
    }
  }
  const std::string current = content("current");
  if (current.empty() || std::stoi(current) < rounds - 1) {
    broken.push_back("current: " + current);
  }
  // The next round may already have replaced it by its own.
  if (content(fmt::format("file-{}", rounds - 1)) != record(rounds - 1) &&
      content(fmt::format("file-{}", rounds)) != record(rounds)) {
    broken.emplace_back("file");
  }
  if (std::filesystem::exists(root / fmt::format("file-{}", rounds - 2))) {
    broken.emplace_back("file that was removed");
  }
  return broken;
}

bool all_threads_are_stopped(pid_t process) {
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    std::string stat;
    std::getline(std::ifstream(task.path() / "stat"), stat);
    if (stat.substr(stat.rfind(')') + 2, 1) != "T") {
      return false;
    }
  }
  return true;
}

// ext4 writes by itself only after minutes: what isn't asked for stays in memory.
constexpr const char* kDiskOptions = "loop,commit=300";

// A disk, and a mount of it, whose power can be cut.
struct Machine {
  explicit Machine(const ReadPath& path) : mount(disk.path(), {.options = path}) {}

  static std::filesystem::path make_image(const TemporaryDirectory& all) {
    require_disk_images("ext4");
    DiskImage::make(all / "image", 24U << 20U, "ext4");
    return all / "image";
  }

  // Of a disk whose daemon and writer stand still; answers what is broken.
  std::vector<std::string> cut_power(int rounds) {
    if (!eventually(
            [&] { return all_threads_are_stopped(mount.daemon().pid()) && disk.is_idle(); })) {
      throw std::runtime_error("the disk doesn't come to rest");
    }
    std::filesystem::copy_file(all / "image", all / "copy",
                               std::filesystem::copy_options::overwrite_existing);
    const DiskImage restarted(all / "copy", all / "restarted");
    return broken_promises(restarted.path(), rounds);
  }

  TemporaryDirectory all{};
  DiskImage disk{make_image(all), all / "disk", kDiskOptions};
  Mount mount;
};

TEST_CASE("Everything that was acknowledged as durable is there after a power cut", "[power_cut]") {
  Machine machine(each_read_path());
  const Promises promises;
  Process writing = Process::call([&] {
    Writer writer(machine.mount.root(), Syncs::kYes);
    for (int round = 0; round < kMostRounds; ++round) {
      writer.write_round(round);
      promises.rounds() = round + 1;
    }
    return 0;
  });
  for (const int least : {3, 10, 20}) {
    REQUIRE(
        eventually([&] { return promises.rounds() >= least || !writing.running(); }, kPatience));
    writing.signal(SIGSTOP);
    machine.mount.daemon().signal(SIGSTOP);
    const int rounds = promises.rounds();
    CAPTURE(rounds);
    CHECK(machine.cut_power(rounds).empty());
    machine.mount.daemon().signal(SIGCONT);
    writing.signal(SIGCONT);
  }
  writing.signal(SIGKILL);
  CHECK(writing.wait() == 128 + SIGKILL);
}

TEST_CASE("What wasn't synced is lost in a power cut, so that the test above means something",
          "[power_cut]") {
  Machine machine(each_read_path());
  constexpr int kRounds = 10;
  {
    Writer writer(machine.mount.root(), Syncs::kNo);
    for (int round = 0; round < kRounds; ++round) {
      writer.write_round(round);
    }
  }
  machine.mount.daemon().signal(SIGSTOP);
  const auto broken = machine.cut_power(kRounds);
  machine.mount.daemon().signal(SIGCONT);
  CHECK(broken.size() >= 6);
  CHECK(broken_promises(machine.mount.root(), kRounds).empty());
}

}  // namespace
}  // namespace mmapdir::test
