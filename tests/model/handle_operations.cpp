// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "world.h"

namespace mmapdir::test {
namespace {

int mount_of(const UniqueFd& file) {
  FileHandle handle;
  int mount = -1;
  return ::name_to_handle_at(file.get(), "", handle.get(), &mount, AT_EMPTY_PATH) == 0 ? mount : -1;
}

// A handle of another file system, mounted within, means something else to this one.
std::string take_handle(World& world, const Operation& op) {
  FileHandle& handle = world.handles.at(op.other);
  handle.clear();
  int mount = -1;
  if (::name_to_handle_at(world.root.get(), op.path, handle.get(), &mount, 0) != 0) {
    handle.clear();
    return said(-1);
  }
  if (mount != mount_of(world.root)) {
    handle.clear();
    return "on another file system";
  }
  return said(0);
}

// When the handle of a deleted file goes stale depends on who still knows the file.
bool is_deleted(const UniqueFd& file) {
  struct stat found{};
  return file ? ::fstat(file.get(), &found) == 0 && found.st_nlink == 0 : errno == ESTALE;
}

std::string open_handle(World& world, const Operation& op) {
  FileHandle& handle = world.handles.at(op.other);
  if (handle.is_clear()) {
    return "no handle";
  }
  const UniqueFd mount(::open(world.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mount) {
    return said(-1);
  }
  const int access = op.number % 2 == 0 ? O_RDONLY : O_RDWR;
  UniqueFd file(::open_by_handle_at(mount.get(), handle.get(), access | O_NONBLOCK | O_CLOEXEC));
  if (is_deleted(file)) {
    return "deleted";
  }
  if (!file) {
    return said(-1);
  }
  world.files.at(op.slot) = std::move(file);
  return said_of_file(world, op.slot, 0);
}

}  // namespace

void add_handle_operations(Kinds& kinds) {
  kinds.insert(kinds.end(), {{.name = "take handle", .weight = 20, .carry_out = take_handle},
                             {.name = "open handle", .weight = 30, .carry_out = open_handle}});
}

}  // namespace mmapdir::test
