// SPDX-License-Identifier: MIT
#include "tree_changes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "support/files.h"

namespace mmapdir::test {
namespace {

constexpr unsigned kDirectories = 12;
constexpr unsigned kFiles = 8;
constexpr unsigned kSegments = 4;  // that are there at a time

unsigned pick(std::mt19937& random, unsigned end) {
  return std::uniform_int_distribution<unsigned>(0, end - 1)(random);
}

// One in four lies a level deeper.
std::filesystem::path some_directory(const std::filesystem::path& root, std::mt19937& random) {
  auto path = root / fmt::format("directory-{}", pick(random, kDirectories));
  return pick(random, 4) == 0 ? path / fmt::format("inner-{}", pick(random, 3)) : path;
}

// What a change needs may not be there: then its call fails, and nothing has changed.
void attempt(int /*result*/) {}

}  // namespace

struct TreeChanges::Kind {
  unsigned weight;
  Change change;
};

const std::vector<TreeChanges::Kind>& TreeChanges::kinds() {
  static const std::vector<Kind> table{
      {.weight = 8, .change = &TreeChanges::create},
      {.weight = 6, .change = &TreeChanges::append},
      {.weight = 3, .change = &TreeChanges::truncate},
      {.weight = 6, .change = &TreeChanges::write_in_place},
      {.weight = 6, .change = &TreeChanges::replace},
      {.weight = 2, .change = &TreeChanges::exchange},
      {.weight = 4, .change = &TreeChanges::remove},
      {.weight = 4, .change = &TreeChanges::change_mode},
      {.weight = 2, .change = &TreeChanges::set_times},
      {.weight = 3, .change = &TreeChanges::make_directory},
      {.weight = 1, .change = &TreeChanges::remove_directory},
      {.weight = 2, .change = &TreeChanges::rename_directory},
      {.weight = 5, .change = &TreeChanges::move},
      {.weight = 3, .change = &TreeChanges::leave},
      {.weight = 3, .change = &TreeChanges::change_outside},
      {.weight = 3, .change = &TreeChanges::come_back},
      {.weight = 3, .change = &TreeChanges::link},
      {.weight = 2, .change = &TreeChanges::make_symlink},
      {.weight = 12, .change = &TreeChanges::flip},
      {.weight = 6, .change = &TreeChanges::publish},
  };
  return table;
}

TreeChanges::TreeChanges(std::filesystem::path root, std::filesystem::path outside,
                         std::uint32_t seed)
    : root_(std::move(root)), outside_(std::move(outside)), random_(seed) {
  std::filesystem::create_directory(root_ / "index");
  for (unsigned i = 0; i < kDirectories; ++i) {
    std::filesystem::create_directory(root_ / fmt::format("directory-{}", i));
  }
}

void TreeChanges::step() {
  std::vector<unsigned> weights;
  weights.reserve(kinds().size());
  std::ranges::transform(kinds(), std::back_inserter(weights), &Kind::weight);
  const auto which =
      std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random_);
  ++steps_;
  (this->*kinds()[which].change)();
}

unsigned TreeChanges::below(unsigned end) { return pick(random_, end); }

std::filesystem::path TreeChanges::directory() { return some_directory(root_, random_); }

std::filesystem::path TreeChanges::file() { return some_path(root_, random_); }

std::string TreeChanges::bytes() { return pattern(below(20'000), steps_); }

void TreeChanges::create() {
  const UniqueFd made(::open(file().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (made) {
    write_at(made.get(), bytes(), 0);
  }
}

void TreeChanges::append() {
  const UniqueFd opened(::open(file().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (opened) {
    write_at(opened.get(), "appended", 0);
  }
}

void TreeChanges::truncate() {
  attempt(::truncate(file().c_str(), static_cast<off_t>(below(9'000))));
}

void TreeChanges::write_in_place() {
  const UniqueFd opened(::open(file().c_str(), O_WRONLY | O_CLOEXEC));
  if (opened) {
    write_at(opened.get(), bytes(), 0);
  }
}

void TreeChanges::replace() {
  write_file(outside_ / "new", bytes());
  if (::rename((outside_ / "new").c_str(), file().c_str()) != 0) {
    std::filesystem::remove(outside_ / "new");
  }
}

void TreeChanges::exchange() {
  attempt(::renameat2(AT_FDCWD, file().c_str(), AT_FDCWD, file().c_str(), RENAME_EXCHANGE));
}

void TreeChanges::remove() { attempt(::unlink(file().c_str())); }

void TreeChanges::change_mode() { attempt(::chmod(file().c_str(), 0600 + below(64))); }

void TreeChanges::set_times() {
  const std::array<timespec, 2> times{timespec{.tv_sec = 1, .tv_nsec = 0},
                                      timespec{.tv_sec = below(1'000'000), .tv_nsec = 7}};
  attempt(::utimensat(AT_FDCWD, file().c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
}

void TreeChanges::make_directory() { attempt(::mkdir(directory().c_str(), 0755)); }

void TreeChanges::remove_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(directory(), ignored);
}

void TreeChanges::rename_directory() {
  attempt(::rename(directory().c_str(), directory().c_str()));
}

void TreeChanges::move() { attempt(::rename(file().c_str(), file().c_str())); }

void TreeChanges::leave() {
  attempt(::rename(file().c_str(), (outside_ / fmt::format("guest-{}", below(4))).c_str()));
}

void TreeChanges::change_outside() {
  const auto guest = outside_ / fmt::format("guest-{}", below(4));
  const UniqueFd opened(::open(guest.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (opened) {
    write_at(opened.get(), bytes(), 0);
    attempt(::fchmod(opened.get(), 0600 + below(64)));
  }
}

void TreeChanges::come_back() {
  attempt(::rename((outside_ / fmt::format("guest-{}", below(4))).c_str(), file().c_str()));
}

void TreeChanges::link() { attempt(::link(file().c_str(), file().c_str())); }

void TreeChanges::make_symlink() {
  attempt(::symlink(std::to_string(steps_).c_str(), file().c_str()));
}

// A name that is there and isn't, faster than anybody can look.
void TreeChanges::flip() {
  const auto path = file();
  for (unsigned i = 0, turns = 1 + below(6); i < turns; ++i) {
    if (::unlink(path.c_str()) != 0) {
      const UniqueFd made(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    }
  }
}

void TreeChanges::publish() {
  const auto index = root_ / "index";
  ++published_;
  write_file(index / "pending", segment_bytes(published_));
  std::filesystem::rename(index / "pending", index / fmt::format("segments_{}", published_));
  if (published_ > kSegments) {
    std::filesystem::remove(index / fmt::format("segments_{}", published_ - kSegments));
  }
}

std::filesystem::path some_path(const std::filesystem::path& root, std::mt19937& random) {
  auto path = some_directory(root, random);
  return path / fmt::format("file-{}", pick(random, kFiles));
}

std::string segment_bytes(unsigned number) {
  return pattern(1 + (std::size_t{number} * 4'099 % 30'000), number);
}

}  // namespace mmapdir::test
