// SPDX-License-Identifier: MIT
// A tree on the source that changes in every way while processes look at it through the mount: what
// the mount shows is never wrong for ever.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cstdio>
#include <map>
#include <thread>

#include "readers.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "tree_changes.h"

namespace mmapdir::test {
namespace {

using Clock = std::chrono::steady_clock;
using Path = std::filesystem::path;

// Without the blocks: a file system gives them when it likes, which is no change that is reported.
std::string described(const struct stat& found) {
  return fmt::format(
      "mode={:o} uid={} gid={} nlink={} ino={} size={} mtime={}.{:09} ctime={}.{:09}",
      found.st_mode, found.st_uid, found.st_gid, found.st_nlink, found.st_ino, found.st_size,
      found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_ctim.tv_sec, found.st_ctim.tv_nsec);
}

std::string description_of(const Path& path) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "lstat " + path.string());
  return described(found);
}

std::string content_of(const Path& path, std::filesystem::file_type type) {
  if (type == std::filesystem::file_type::symlink) {
    return std::filesystem::read_symlink(path);
  }
  if (type != std::filesystem::file_type::regular) {
    return {};
  }
  const std::string bytes = read_file(path);
  return fmt::format("{}: {:x}", bytes.size(), std::hash<std::string>{}(bytes));
}

// A line for each path in the tree: names, attributes and contents.
using Tree = std::map<std::string, std::string>;

Tree tree_of(const Path& root) {
  Tree tree;
  tree["."] = description_of(root);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = entry.path().lexically_relative(root);
    tree[name] = description_of(entry.path()) + " " +
                 content_of(entry.path(), entry.symlink_status().type());
  }
  return tree;
}

// What is held open from early on, by the source and through the mount.
class HeldFiles {
 public:
  HeldFiles(Path source, Path mount) : source_(std::move(source)), mount_(std::move(mount)) {}

  // Holds some of the files that there are, while nothing changes.
  void hold(std::mt19937& random) {
    constexpr int kTries = 30;
    constexpr std::size_t kMost = 60;
    for (int i = 0; i < kTries && pairs_.size() < kMost; ++i) {
      const Path name = some_path("", random);
      Pair pair{.name = name,
                .there = UniqueFd(::open((source_ / name).c_str(), kFlags)),
                .here = UniqueFd(::open((mount_ / name).c_str(), kFlags))};
      if (pair.there && pair.here) {
        pairs_.push_back(std::move(pair));
      }
    }
  }

  std::string differences() const {
    std::string lines;
    for (const Pair& pair : pairs_) {
      const std::string here = look(pair.here.get());
      const std::string there = look(pair.there.get());
      if (here != there) {
        lines += fmt::format("held {}:\n  {}\n  {}\n", pair.name, here, there);
      }
    }
    return lines;
  }

 private:
  static constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
  static constexpr std::size_t kMoreThanAFile = 1U << 17U;

  struct Pair {
    std::string name;
    UniqueFd there;
    UniqueFd here;
  };

  static std::string look(int fd) {
    struct stat found{};
    must(::fstat(fd, &found), "fstat");
    const std::string bytes = read_at(fd, kMoreThanAFile, 0);
    return fmt::format("{} {:x}", described(found), std::hash<std::string>{}(bytes));
  }

  Path source_;
  Path mount_;
  std::vector<Pair> pairs_;
};

std::string differences(const Tree& here, const Tree& there) {
  std::string lines;
  for (const auto& [name, line] : there) {
    const auto found = here.find(name);
    if (found == here.end() || found->second != line) {
      lines += fmt::format("{}:\n  {}\n  {}\n", name,
                           found == here.end() ? "missing" : found->second, line);
    }
  }
  for (const auto& [name, line] : here) {
    if (!there.contains(name)) {
      lines += fmt::format("{}: shouldn't be there\n", name);
    }
  }
  return lines;
}

// A segment may be gone again, but what has its name is complete.
std::string complaint_about_segment(const Path& path) {
  constexpr std::string_view kPrefix = "segments_";
  const std::string name = path.filename();
  unsigned number = 0;
  if (!name.starts_with(kPrefix) ||
      std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number).ec !=
          std::errc{}) {
    return {};
  }
  const Seen seen = read_by_pread(path);
  if (seen.error == ENOENT) {
    return {};
  }
  if (seen.error != 0) {
    return fmt::format("{}: errno {}", name, seen.error);
  }
  const std::string wrong = difference(seen.bytes, segment_bytes(number));
  return wrong.empty() ? wrong : fmt::format("{}: {}", name, wrong);
}

std::string complaint_about_segments(const Path& index) {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(index, gone)) {
    if (std::string complaint = complaint_about_segment(entry.path()); !complaint.empty()) {
      return complaint;
    }
  }
  return {};
}

// Looks at whatever there is, so that the kernel knows as much as it can.
void look_around(const Path& root, std::mt19937& random) {
  const Path path = some_path(root, random);
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode)) {
    (void)read_by_pread(path);
  }
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path(), gone)) {
    ::lstat(entry.path().c_str(), &found);
  }
}

int read_tree(const Path& root, std::uint32_t seed, Clock::time_point deadline) {
  std::mt19937 random(seed);
  while (Clock::now() < deadline) {
    if (const std::string complaint = complaint_about_segments(root / "index");
        !complaint.empty()) {
      fmt::print(stderr, "{}\n", complaint);
      return 1;
    }
    for (int i = 0; i < 20; ++i) {
      look_around(root, random);
    }
  }
  return 0;
}

class TreeReaders {
 public:
  TreeReaders(const Path& root, Clock::time_point deadline)
      : output_(must(::memfd_create("complaints", MFD_CLOEXEC), "memfd_create")) {
    must(::fcntl(output_.get(), F_SETFL, O_APPEND), "fcntl");
    constexpr std::uint32_t kReaders = 3;
    processes_.reserve(kReaders);
    for (std::uint32_t i = 0; i < kReaders; ++i) {
      processes_.push_back(Process::call([&, i] { return read_tree(root, i, deadline); },
                                         {.standard_error = output_.get()}));
    }
  }

  std::string complaints() {
    std::string statuses;
    for (Process& process : processes_) {
      if (const auto status = process.wait(std::chrono::hours(1)); status != 0) {
        statuses += fmt::format("a reader ended with status {}\n", status.value_or(-1));
      }
    }
    return statuses + read_at(output_.get(), 1U << 16U, 0);
  }

 private:
  UniqueFd output_;
  std::vector<Process> processes_;
};

void check_settled(const Path& mount, const Path& source, const HeldFiles& held) {
  std::this_thread::sleep_for(Seconds(1));  // what is promised
  const Tree there = tree_of(source);
  // On a machine that has other things to do it may take longer; what is wrong for ever stays so.
  eventually([&] { return tree_of(mount) == there && held.differences().empty(); }, Seconds(10));
  const std::string wrong = differences(tree_of(mount), there) + held.differences();
  CAPTURE(wrong);
  CHECK(wrong.empty());
}

void change_under_readers(TreeChanges& changes, const Path& mount, unsigned count) {
  // Time for the readers in any case, however fast the changes are made.
  TreeReaders readers(mount, Clock::now() + Seconds(2));
  for (unsigned i = 0; i < count; ++i) {
    changes.step();
  }
  const std::string complaints = readers.complaints();
  CAPTURE(complaints);
  CHECK(complaints.empty());
}

TEST_CASE("A second after the last of many changes everything equals the source", "[stress]") {
  const ReadPath path = GENERATE(ReadPath{"--read-path=passthrough"},
                                 ReadPath{"--read-path=mapped"}, ReadPath{"--read-path=plain"});
  if (path.front().ends_with("passthrough")) {
    require_passthrough();
  }
  const auto seconds = std::stoi(environment("MMAPDIRFS_STRESS_SECONDS").value_or("3"));
  const auto seed =
      static_cast<std::uint32_t>(std::stoul(environment("MMAPDIRFS_STRESS_SEED").value_or("1")));
  CAPTURE(seed);
  const TemporaryDirectory source;
  const TemporaryDirectory outside;
  TreeChanges changes(source.path(), outside.path(), seed);
  std::mt19937 random(seed);
  Mount mount(source.path(), {.options = path});
  HeldFiles held(source.path(), mount.root());
  constexpr unsigned kChangesAtATime = 500;
  const auto deadline = Clock::now() + Seconds(seconds);
  do {
    change_under_readers(changes, mount.root(), kChangesAtATime);
    CAPTURE(changes.steps());
    check_settled(mount.root(), source.path(), held);
    held.hold(random);
  } while (Clock::now() < deadline);
  CHECK(mount.daemon().running());
}

}  // namespace
}  // namespace mmapdir::test
