// SPDX-License-Identifier: MIT
// Every operation that would change something says EROFS, and nothing changes.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <functional>
#include <utility>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

// Its name, and an attempt beneath a root.
using Change = std::pair<const char*, std::function<int(const std::filesystem::path&)>>;

int open_and_close(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  return fd < 0 ? fd : ::close(fd);
}

std::vector<Change> changes() {
  using Path = std::filesystem::path;
  return {
      {"open for writing", [](const Path& m) { return open_and_close(m / "file", O_WRONLY); }},
      {"open for both", [](const Path& m) { return open_and_close(m / "file", O_RDWR); }},
      {"open to append",
       [](const Path& m) { return open_and_close(m / "file", O_WRONLY | O_APPEND); }},
      {"open and truncate",
       [](const Path& m) { return open_and_close(m / "file", O_RDONLY | O_TRUNC); }},
      {"create", [](const Path& m) { return open_and_close(m / "new", O_RDONLY | O_CREAT); }},
      {"create exclusively",
       [](const Path& m) { return open_and_close(m / "new", O_WRONLY | O_CREAT | O_EXCL); }},
      {"create a nameless file",
       [](const Path& m) { return open_and_close(m, O_RDWR | O_TMPFILE); }},
      {"truncate", [](const Path& m) { return ::truncate((m / "file").c_str(), 1); }},
      {"mkdir", [](const Path& m) { return ::mkdir((m / "new").c_str(), 0755); }},
      {"rmdir", [](const Path& m) { return ::rmdir((m / "directory").c_str()); }},
      {"unlink", [](const Path& m) { return ::unlink((m / "file").c_str()); }},
      {"mknod", [](const Path& m) { return ::mknod((m / "new").c_str(), S_IFREG | 0644, 0); }},
      {"mkfifo", [](const Path& m) { return ::mkfifo((m / "new").c_str(), 0644); }},
      {"symlink", [](const Path& m) { return ::symlink("file", (m / "new").c_str()); }},
      {"link", [](const Path& m) { return ::link((m / "file").c_str(), (m / "new").c_str()); }},
      {"rename", [](const Path& m) { return ::rename((m / "file").c_str(), (m / "new").c_str()); }},
      {"exchange",
       [](const Path& m) {
         return ::renameat2(AT_FDCWD, (m / "file").c_str(), AT_FDCWD, (m / "link").c_str(),
                            RENAME_EXCHANGE);
       }},
      {"chmod", [](const Path& m) { return ::chmod((m / "file").c_str(), 0600); }},
      {"chmod of the root", [](const Path& m) { return ::chmod(m.c_str(), 0700); }},
      {"chown", [](const Path& m) { return ::chown((m / "file").c_str(), 1, 1); }},
      {"lchown", [](const Path& m) { return ::lchown((m / "link").c_str(), 1, 1); }},
      {"utimensat",
       [](const Path& m) { return ::utimensat(AT_FDCWD, (m / "file").c_str(), nullptr, 0); }},
      {"setxattr",
       [](const Path& m) { return ::setxattr((m / "file").c_str(), "user.new", "x", 1, 0); }},
      {"removexattr",
       [](const Path& m) { return ::removexattr((m / "file").c_str(), "user.old"); }},
      {"fchmod", [](const Path& m) { return ::fchmod(open_fd(m / "file", O_RDONLY).get(), 0600); }},
      {"fsetxattr",
       [](const Path& m) {
         return ::fsetxattr(open_fd(m / "file", O_RDONLY).get(), "user.new", "x", 1, 0);
       }},
      {"futimens",
       [](const Path& m) { return ::futimens(open_fd(m / "file", O_RDONLY).get(), nullptr); }},
  };
}

TEST_CASE("Every changing operation answers EROFS and changes nothing", "[read_only]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  std::filesystem::create_directory(source / "directory");
  must(::symlink("file", (source / "link").c_str()), "symlink");
  const std::string before = attributes(source / "file") + attributes(source.path());
  const Mount mount(source.path(), {.options = with_option(path, "-oro")});

  for (const auto& [name, attempt] : changes()) {
    CAPTURE(name);
    errno = 0;
    CHECK(attempt(mount.root()) == -1);
    CHECK(errno == EROFS);
  }
  CHECK(attributes(source / "file") + attributes(source.path()) == before);
  CHECK(names_in(source.path()) == std::vector<std::string>{"directory", "file", "link"});
  CHECK(read_file(mount / "file") == "content");
}

TEST_CASE("Writing to a descriptor that was opened for reading answers as anywhere",
          "[read_only]") {
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  const Mount mount(source.path());
  const UniqueFd file = open_fd(mount / "file", O_RDONLY);
  CHECK(::pwrite(file.get(), "x", 1, 0) == -1);
  CHECK(errno == EBADF);
  CHECK(::fallocate(file.get(), 0, 0, 100) == -1);
  CHECK(errno == EBADF);
  CHECK(::ftruncate(file.get(), 1) == -1);
  CHECK(errno == EINVAL);
}

}  // namespace
}  // namespace mmapdir::test
