// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <set>

#include "mounted/parity_answer.h"
#include "world.h"

namespace mmapdir::test {
namespace {

std::string make_directory(World& world, const Operation& op) {
  constexpr std::array<mode_t, 4> kModes{0755, 0777, 0700, 02755};
  return said_of_path(world, op.path,
                      ::mkdirat(world.root.get(), op.path, choose(kModes, op.number)));
}

std::string remove_directory(World& world, const Operation& op) {
  return said_of_path(world, op.path, ::unlinkat(world.root.get(), op.path, AT_REMOVEDIR));
}

std::string unlink(World& world, const Operation& op) {
  return said_of_path(world, op.path, ::unlinkat(world.root.get(), op.path, 0));
}

std::string link(World& world, const Operation& op) {
  const int flags = op.number % 4 == 0 ? AT_SYMLINK_FOLLOW : 0;
  return said_of_path(world, op.target,
                      ::linkat(world.root.get(), op.path, world.root.get(), op.target, flags));
}

std::string symlink(World& world, const Operation& op) {
  return said_of_path(world, op.path, ::symlinkat(op.target, world.root.get(), op.path));
}

std::string rename(World& world, const Operation& op) {
  constexpr std::array<unsigned, 6> kFlags{
      0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_NOREPLACE | RENAME_EXCHANGE};
  const std::string outcome = said_of_path(world, op.path,
                                           ::renameat2(world.root.get(), op.path, world.root.get(),
                                                       op.target, choose(kFlags, op.number)));
  return outcome + ", " + said_of_path(world, op.target, 0);
}

std::string make_socket(World& world, const Operation& op) {
  return said_of_path(world, op.path, ::mknodat(world.root.get(), op.path, S_IFSOCK | 0644, 0));
}

std::string list(World& world, const Operation& op) {
  std::error_code failure;
  std::set<std::string> names;
  for (std::filesystem::directory_iterator entry(world.path / op.path, failure), end;
       !failure && entry != end; entry.increment(failure)) {
    names.insert(entry->path().filename().string());
  }
  return failure ? errno_name(failure.value()) : fmt::format("{}", fmt::join(names, " "));
}

std::string look(World& world, const Operation& op) { return said_of_path(world, op.path, 0); }

std::string read_link(World& world, const Operation& op) {
  std::string buffer(PATH_MAX, '\0');
  const ssize_t got = ::readlinkat(world.root.get(), op.path, buffer.data(), buffer.size());
  return got < 0 ? errno_name(errno) : buffer.substr(0, static_cast<std::size_t>(got));
}

std::string may(World& world, const Operation& op) {
  return said(::faccessat(world.root.get(), op.path, static_cast<int>(op.number % 8), AT_EACCESS));
}

}  // namespace

void add_name_operations(Kinds& kinds) {
  kinds.insert(kinds.end(),
               {{.name = "make directory", .weight = 40, .carry_out = make_directory},
                {.name = "remove directory", .weight = 15, .carry_out = remove_directory},
                {.name = "unlink", .weight = 25, .carry_out = unlink},
                {.name = "link", .weight = 25, .carry_out = link},
                {.name = "symlink", .weight = 10, .carry_out = symlink},
                {.name = "rename", .weight = 50, .carry_out = rename},
                {.name = "make socket", .weight = 3, .carry_out = make_socket},
                {.name = "list", .weight = 15, .carry_out = list},
                {.name = "look", .weight = 20, .carry_out = look},
                {.name = "read link", .weight = 5, .carry_out = read_link},
                {.name = "may", .weight = 5, .carry_out = may}});
}

}  // namespace mmapdir::test
