// SPDX-License-Identifier: MIT
#include "parity_tree.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <utility>

#include "support/acl.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

void make_special_files(const Path& root) {
  must(::mkfifo((root / "fifo").c_str(), 0666), "mkfifo");
  must(::mknod((root / "socket").c_str(), S_IFSOCK | 0777, 0), "mknod");
  must(::mknod((root / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), "mknod");
  must(::symlink("file", (root / "link").c_str()), "symlink");
  must(::symlink("directory", (root / "link-up").c_str()), "symlink");
  must(::symlink("nowhere", (root / "dangling").c_str()), "symlink");
  must(::symlink("loop", (root / "loop").c_str()), "symlink");
}

}  // namespace

void make_parity_tree(const Path& root, uid_t reader) {
  write_file(root / "file", pattern(10'000, 1));
  write_file(root / "empty", "", 0755);
  write_file(root / "secret", "for root", 0600);
  write_file(root / "program", "#!/bin/sh\nexit 7\n", 0755);
  write_file(root / "acl", "for one reader", 0600);
  set_acl(root / "acl", acl_for_reader(reader));
  for (const auto& [name, mode] : {std::pair<const char*, mode_t>{"directory", 0755},
                                   {"closed", 0700},
                                   {"passable", 0711},
                                   {"listable", 0744}}) {
    std::filesystem::create_directory(root / name);
    write_file(root / name / "file", name);
    must(::chmod((root / name).c_str(), mode), "chmod");
  }
  write_file(root / "directory/inner", "inner");
  make_special_files(root);
  for (const char* file : {"file", "directory", "secret"}) {
    must(::setxattr((root / file).c_str(), "user.note", "noted", 5, 0), "setxattr");
    must(::setxattr((root / file).c_str(), "trusted.note", "trusted", 7, 0), "setxattr");
  }
}

}  // namespace mmapdir::test
