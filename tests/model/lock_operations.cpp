// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <array>

#include "lock_answers.h"
#include "world.h"

namespace mmapdir::test {
namespace {

// A client that was killed, or has closed a file, may still have its flock or a lock of its
// description for a moment: FUSE tells of the last close without waiting. So what finds a lock in
// the way is asked again (Client). What finds none where there is one has failed at once.
std::string lock_file(World& world, const Operation& op) {
  constexpr std::array kOperations{LOCK_SH, LOCK_EX, LOCK_UN};
  return said(::flock(world.file(op.slot), choose(kOperations, op.number) | LOCK_NB));
}

struct flock range_of(const Operation& op) {
  constexpr std::array<short, 3> kTypes{F_RDLCK, F_WRLCK, F_UNLCK};
  struct flock lock{};
  lock.l_type = choose(kTypes, op.number);
  lock.l_whence = SEEK_SET;
  lock.l_start = op.offset % 100;
  lock.l_len = static_cast<off_t>(op.length % 50);
  return lock;
}

bool only_reads(const UniqueFd& fd) {
  return fd && (::fcntl(fd.get(), F_GETFL) & O_ACCMODE) == O_RDONLY;
}

// A process's record locks are given back when it closes any descriptor of the file. The mount
// isn't told of the close of one that was opened for reading before the file's first lock (README,
// exceptions): so a client that locks has none.
void close_readers(World& world) {
  for (unsigned slot = 0; slot < World::kSlots; ++slot) {
    if (only_reads(world.files.at(slot))) {
      world.files.at(slot).reset();
    }
    if (only_reads(world.mapped_files.at(slot))) {
      world.mappings.at(slot) = SharedMapping();
      world.mapped_files.at(slot).reset();
    }
  }
}

std::string lock_range(World& world, const Operation& op) {
  close_readers(world);
  struct flock lock = range_of(op);
  return said(::fcntl(world.file(op.slot), F_SETLK, &lock));
}

// Belongs to the open file, whoever has it: until the last close of the last descriptor.
std::string lock_range_of_description(World& world, const Operation& op) {
  struct flock lock = range_of(op);
  return said(::fcntl(world.file(op.slot), F_OFD_SETLK, &lock));
}

// Of several locks in the way any may be named, so none is.
std::string ask_for_lock(World& world, const Operation& op) {
  struct flock lock = range_of(op);
  const int result = ::fcntl(world.file(op.slot), F_GETLK, &lock);
  if (result != 0) {
    return said(-1);
  }
  return lock.l_type == F_UNLCK ? "free" : std::string(kLocked);
}

}  // namespace

void add_lock_operations(Kinds& kinds) {
  kinds.insert(
      kinds.end(),
      {{.name = "flock", .weight = 10, .carry_out = lock_file},
       {.name = "lock range", .weight = 20, .carry_out = lock_range},
       {.name = "lock range of description", .weight = 8, .carry_out = lock_range_of_description},
       {.name = "ask for lock", .weight = 10, .carry_out = ask_for_lock}});
}

}  // namespace mmapdir::test
