// SPDX-License-Identifier: MIT
// How soon a mount shows what was changed on its source. Makes changes of all kinds there, one at a
// time, each looked for through the mount until it is seen, while other threads read there. Prints,
// in microseconds, a line for each kind and one for all: count, median, 99th percentile, maximum.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "support/unique_fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using mmapdir::UniqueFd;
using Path = std::filesystem::path;

constexpr unsigned kFiles = 200;
constexpr std::size_t kFileSize = 8192;
constexpr auto kPatience = std::chrono::seconds(5);

template <class T>
T must(T result, std::string_view what) {
  if (result == static_cast<T>(-1)) {
    throw std::system_error(errno, std::generic_category(), std::string(what));
  }
  return result;
}

UniqueFd open_file(const Path& path, int flags) {
  return UniqueFd(must(::open(path.c_str(), flags | O_CLOEXEC, 0644), path.native()));
}

void write_whole(const Path& path, char letter, std::size_t size = kFileSize) {
  const std::string bytes(size, letter);
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT);
  must(::pwrite(file.get(), bytes.data(), bytes.size(), 0), "write");
}

bool is_there(const Path& path) {
  struct stat found{};
  return ::lstat(path.c_str(), &found) == 0;
}

struct stat stat_of(const Path& path) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "stat");
  return found;
}

char first_byte(int fd) {
  char byte = 0;
  must(::pread(fd, &byte, 1, 0), "read");
  return byte;
}

bool lists(const Path& directory, const std::string& name) {
  return std::ranges::any_of(std::filesystem::directory_iterator(directory),
                             [&](const auto& entry) { return entry.path().filename() == name; });
}

// A file of the tree, on the source and as the mount shows it, and the number of the change.
struct Place {
  Path there;
  Path here;
  unsigned number;

  char letter() const { return static_cast<char>('a' + (number % 26)); }
};

// Makes one change, after having looked so that the kernel knows what was before, and answers how
// to see whether the mount shows it.
using Seen = std::function<bool()>;
struct Kind {
  const char* name;
  Seen (*change)(const Place& place);
};

Path beside(const Path& path, std::string_view suffix) {
  return fmt::format("{}.{}", path.native(), suffix);
}

void wait_until(const Seen& seen) {
  const auto end = Clock::now() + kPatience;
  while (!seen()) {
    if (Clock::now() > end) {
      throw std::runtime_error("a change was never seen");
    }
  }
}

Seen create(const Place& place) {
  const std::string suffix = fmt::format("new-{}", place.number);
  const Path here = beside(place.here, suffix);
  (void)is_there(here);
  write_whole(beside(place.there, suffix), 'n');
  return [here] { return is_there(here); };
}

Seen remove(const Place& place) {
  const Path there = beside(place.there, "gone");
  const Path here = beside(place.here, "gone");
  write_whole(there, 'g');
  wait_until([&] { return is_there(here); });
  must(::unlink(there.c_str()), "unlink");
  return [here] { return !is_there(here); };
}

Seen append(const Place& place) {
  (void)stat_of(place.here);
  const UniqueFd file = open_file(place.there, O_WRONLY | O_APPEND);
  must(::write(file.get(), "+", 1), "write");
  const off_t size = stat_of(place.there).st_size;
  return [here = place.here, size] { return stat_of(here).st_size == size; };
}

Seen truncate(const Place& place) {
  (void)stat_of(place.here);
  must(::truncate(place.there.c_str(), kFileSize), "truncate");
  return [here = place.here] { return stat_of(here).st_size == kFileSize; };
}

Seen change_mode(const Place& place) {
  (void)stat_of(place.here);
  const mode_t mode = 0600 | (place.number % 64);
  must(::chmod(place.there.c_str(), mode), "chmod");
  return [here = place.here, mode] { return (stat_of(here).st_mode & 0777U) == mode; };
}

Seen replace(const Place& place) {
  const char letter = static_cast<char>(place.letter() - 'a' + 'A');
  (void)first_byte(open_file(place.here, O_RDONLY).get());
  write_whole(beside(place.there, "next"), letter);
  must(::rename(beside(place.there, "next").c_str(), place.there.c_str()), "rename");
  return
      [here = place.here, letter] { return first_byte(open_file(here, O_RDONLY).get()) == letter; };
}

Seen write_under_reader(const Place& place) {
  auto file = std::make_shared<UniqueFd>(open_file(place.here, O_RDONLY));
  (void)first_byte(file->get());
  write_whole(place.there, place.letter());
  return [file, letter = place.letter()] { return first_byte(file->get()) == letter; };
}

Seen write_under_mapping(const Place& place) {
  const UniqueFd file = open_file(place.here, O_RDONLY);
  void* mapped = ::mmap(nullptr, kFileSize, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mmap");
  }
  const std::shared_ptr<const volatile char> bytes(
      static_cast<const volatile char*>(mapped),
      [mapped](const volatile char*) { ::munmap(mapped, kFileSize); });
  [[maybe_unused]] const char before = *bytes;  // so that the page is there
  write_whole(place.there, place.letter());
  return [bytes, letter = place.letter()] { return *bytes == letter; };
}

Seen list(const Place& place) {
  const std::string name = fmt::format("listed-{}", place.number);
  const Path directory = place.here.parent_path();
  (void)lists(directory, name);
  must(::symlink("x", (place.there.parent_path() / name).c_str()), "symlink");
  return [directory, name] { return lists(directory, name); };
}

constexpr std::array kKinds{
    Kind{.name = "a negative name exists", .change = create},
    Kind{.name = "deleted", .change = remove},
    Kind{.name = "appended (stat)", .change = append},
    Kind{.name = "truncated (stat)", .change = truncate},
    Kind{.name = "chmod (stat)", .change = change_mode},
    Kind{.name = "replaced (open, read)", .change = replace},
    Kind{.name = "written (open descriptor)", .change = write_under_reader},
    Kind{.name = "written (mapping)", .change = write_under_mapping},
    Kind{.name = "listed", .change = list},
};

std::string name_of(unsigned file) { return fmt::format("d{}/f{}", file % 10, file); }

unsigned some_file(std::mt19937& random) {
  return std::uniform_int_distribution<unsigned>(0, kFiles - 1)(random);
}

void make_tree(const Path& source) {
  for (unsigned i = 0; i < kFiles; ++i) {
    std::filesystem::create_directories((source / name_of(i)).parent_path());
    write_whole(source / name_of(i), 'a');
  }
}

void read_until(const std::atomic<bool>& stop, const Path& mount, unsigned seed) {
  std::mt19937 random(seed);
  std::array<char, kFileSize> bytes{};
  while (!stop) {
    const Path path = mount / name_of(some_file(random));
    struct stat found{};
    ::lstat(path.c_str(), &found);
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file) {
      (void)!::pread(file.get(), bytes.data(), bytes.size(), 0);
    }
  }
}

using Times = std::vector<double>;

double measure(const Kind& kind, const Place& place) {
  const Seen seen = kind.change(place);
  const auto changed = Clock::now();
  wait_until(seen);
  return std::chrono::duration<double, std::micro>(Clock::now() - changed).count();
}

void print(std::string_view name, Times times) {
  std::ranges::sort(times);
  const auto at = [&](double part) {
    return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))];
  };
  fmt::print("{:28} {:6} p50 {:8.0f} p99 {:8.0f} max {:8.0f}\n", name, times.size(), at(0.5),
             at(0.99), at(1));
}

void run(const Path& source, const Path& mount, unsigned changes, unsigned readers) {
  make_tree(source);
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  threads.reserve(readers);
  for (unsigned i = 0; i < readers; ++i) {
    threads.emplace_back([&, i] { read_until(stop, mount, i); });
  }
  std::map<std::string_view, Times> by_kind;
  Times all;
  std::mt19937 random(1);
  try {
    for (unsigned i = 0; i < changes; ++i) {
      const Kind& kind = kKinds[random() % kKinds.size()];
      const std::string name = name_of(some_file(random));
      const double took =
          measure(kind, {.there = source / name, .here = mount / name, .number = i});
      by_kind[kind.name].push_back(took);
      all.push_back(took);
    }
  } catch (...) {
    stop = true;
    throw;
  }
  stop = true;
  for (const auto& [name, times] : by_kind) {
    print(name, times);
  }
  print("all", all);
}

unsigned number_of(std::string_view text) {
  unsigned number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) {
    throw std::invalid_argument(fmt::format("'{}' is no number", text));
  }
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (argc != 5) {
    fmt::print(stderr,
               "Usage: mmapdirfs_coherence_bench SOURCE MOUNT CHANGES READERS\n"
               "SOURCE, an empty directory, is filled; MOUNT shows it.\n");
    return 2;
  }
  try {
    run(arguments[1], arguments[2], number_of(arguments[3]), number_of(arguments[4]));
  } catch (const std::exception& failure) {
    fmt::print(stderr, "mmapdirfs_coherence_bench: {}\n", failure.what());
    return 1;
  }
  return 0;
}
