// SPDX-License-Identifier: MIT
#include "coherence_changes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "support/acl.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr std::size_t kFileSize = 10'000;

void set_note(const Path& file, std::string_view value) {
  must(::setxattr(file.c_str(), "user.note", value.data(), value.size(), 0), "setxattr");
}

void create(const Path& source) { write_file(source / "absent", "new"); }

void append(const Path& source) {
  write_at(open_fd(source / "file", O_WRONLY | O_APPEND).get(), "more", 0);
}

void truncate_to_a_page(const Path& source) {
  must(::truncate((source / "file").c_str(), kMappedSize), "truncate");
}

void write_in_place(const Path& source) {
  write_at(open_fd(source / "file", O_WRONLY).get(), pattern(kFileSize, 2), 0);
}

// What is written through a mapping is told when the file is closed, no sooner.
void write_by_mapping(const Path& source) {
  const std::string bytes = pattern(kMappedSize, 3);
  const UniqueFd file = open_fd(source / "file", O_RDWR);
  void* mapped = ::mmap(nullptr, kMappedSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  must(reinterpret_cast<std::intptr_t>(mapped), "mmap");
  std::memcpy(mapped, bytes.data(), bytes.size());
  ::munmap(mapped, kMappedSize);
}

void replace(const Path& source) {
  write_file(source / "elsewhere/deep/new", pattern(kFileSize, 4));
  std::filesystem::rename(source / "elsewhere/deep/new", source / "file");
}

void exchange(const Path& source) {
  must(::renameat2(AT_FDCWD, (source / "file").c_str(), AT_FDCWD,
                   (source / "directory/inner").c_str(), RENAME_EXCHANGE),
       "renameat2");
}

void remove_file(const Path& source) { std::filesystem::remove(source / "file"); }

void change_mode(const Path& source) { must(::chmod((source / "file").c_str(), 0600), "chmod"); }

void change_owner(const Path& source) {
  must(::chown((source / "file").c_str(), 1234, 1234), "chown");
}

void change_times(const Path& source) {
  const std::array<timespec, 2> times{timespec{.tv_sec = 1, .tv_nsec = 0},
                                      timespec{.tv_sec = 2, .tv_nsec = 3}};
  must(::utimensat(AT_FDCWD, (source / "file").c_str(), times.data(), 0), "utimensat");
}

void make_directory(const Path& source) { std::filesystem::create_directory(source / "absent"); }

void remove_directory(const Path& source) { std::filesystem::remove(source / "empty"); }

void rename_directory(const Path& source) {
  std::filesystem::rename(source / "directory", source / "moved");
}

void move_in(const Path& source) {
  std::filesystem::rename(source / "elsewhere/deep/newcomer", source / "absent");
}

void move_out(const Path& source) {
  std::filesystem::rename(source / "directory/inner", source / "elsewhere/deep/inner");
}

// Nobody tells what happens to it there.
void rewrite_elsewhere(const Path& source) {
  std::filesystem::rename(source / "file", source / "elsewhere/deep/file");
  write_at(open_fd(source / "elsewhere/deep/file", O_WRONLY).get(), pattern(kFileSize, 5), 0);
  std::filesystem::rename(source / "elsewhere/deep/file", source / "file");
}

void add_link(const Path& source) {
  std::filesystem::create_hard_link(source / "file", source / "absent");
}

void replace_symlink(const Path& source) {
  std::filesystem::create_symlink("somewhere", source / "elsewhere/deep/link");
  std::filesystem::rename(source / "elsewhere/deep/link", source / "link");
}

void make_fifo(const Path& source) { must(::mkfifo((source / "absent").c_str(), 0644), "mkfifo"); }

void change_xattr(const Path& source) { set_note(source / "file", "new"); }

void change_acl(const Path& source) { set_acl(source / "file", acl_for_reader(1234)); }

void change_in_subdirectory(const Path& source) {
  write_file(source / "directory/inner", "changed");
}

}  // namespace

void make_tree(const Path& root) {
  write_file(root / "file", pattern(kFileSize, 1));
  set_note(root / "file", "old");
  std::filesystem::create_symlink("nowhere", root / "link");
  for (const char* name : {"directory", "empty", "elsewhere", "elsewhere/deep"}) {
    std::filesystem::create_directory(root / name);
  }
  write_file(root / "directory/inner", "inner");
  write_file(root / "elsewhere/deep/newcomer", "newcomer");
}

const std::vector<SourceChange>& source_changes() {
  static const std::vector<std::string> new_name{"list .", "read absent", "stat .", "stat absent"};
  static const std::vector<std::string> attributes{"fstat", "stat file"};
  static const std::vector<std::string> bytes{"mapping", "pread", "read file"};
  static const std::vector<SourceChange> table{
      {.name = "a file is created", .make = create, .kept = new_name},
      {.name = "a directory is made", .make = make_directory, .kept = new_name},
      {.name = "a fifo is made", .make = make_fifo, .kept = new_name},
      {.name = "a file comes from elsewhere", .make = move_in, .kept = new_name},
      {.name = "a hard link is added",
       .make = add_link,
       .kept = {"fstat", "list .", "read absent", "stat .", "stat absent", "stat file"}},
      {.name = "bytes are appended",
       .make = append,
       .kept = attributes,
       .kept_with_pages = {"pread", "read file"}},
      {.name = "a file is truncated",
       .make = truncate_to_a_page,
       .kept = attributes,
       .kept_with_pages = {"pread", "read file"}},
      {.name = "bytes are written in place",
       .make = write_in_place,
       .kept = attributes,
       .kept_with_pages = bytes},
      {.name = "bytes are written by a mapping",
       .make = write_by_mapping,
       .kept = attributes,
       .kept_with_pages = bytes},
      {.name = "bytes are written elsewhere",
       .make = rewrite_elsewhere,
       .kept = {"fstat", "stat .", "stat file"},
       .kept_with_pages = bytes},
      {.name = "a file in a subdirectory is rewritten",
       .make = change_in_subdirectory,
       .kept = {"stat directory/inner"},
       .kept_with_pages = {"read directory/inner"}},
      {.name = "a mode is changed", .make = change_mode, .kept = attributes},
      {.name = "an owner is changed", .make = change_owner, .kept = attributes, .needs_root = true},
      {.name = "times are set", .make = change_times, .kept = attributes},
      {.name = "an access control list is set",
       .make = change_acl,
       .kept = {"acl file", "fstat", "stat file"}},
      // The kernel keeps no other extended attributes.
      {.name = "an extended attribute is set", .make = change_xattr, .kept = attributes},
      {.name = "a file is replaced by rename",
       .make = replace,
       .kept = {"fstat", "stat .", "stat file", "xattr file"}},
      {.name = "two files are exchanged",
       .make = exchange,
       .kept = {"fstat", "read directory/inner", "read file", "stat .", "stat directory",
                "stat directory/inner", "stat file", "xattr file"}},
      {.name = "a symbolic link is replaced",
       .make = replace_symlink,
       .kept = {"readlink link", "stat .", "stat link"}},
      {.name = "a file is deleted",
       .make = remove_file,
       .kept = {"acl file", "fstat", "list .", "stat .", "stat file", "xattr file"}},
      {.name = "a file goes elsewhere",
       .make = move_out,
       .kept = {"list directory", "read directory/inner", "stat directory",
                "stat directory/inner"}},
      {.name = "a directory is removed",
       .make = remove_directory,
       .kept = {"list .", "stat .", "stat empty"}},
      {.name = "a directory is renamed",
       .make = rename_directory,
       .kept = {"list .", "list directory", "read directory/inner", "read moved/inner", "stat .",
                "stat directory", "stat directory/inner", "stat moved"}},
  };
  return table;
}

}  // namespace mmapdir::test
