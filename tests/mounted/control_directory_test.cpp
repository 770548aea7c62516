// SPDX-License-Identifier: MIT
// `.mmapdirfs` in the mount's root: found by its name, not listed, not to be changed.

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

using Names = std::vector<std::string>;
using Change = std::pair<const char*, std::function<int(const Mount&)>>;

int open_and_close(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  return fd < 0 ? fd : ::close(fd);
}

bool has_config(const std::filesystem::path& directory) {
  const std::string text = read_file(directory / "config");
  return text.starts_with("{") && text.ends_with("}\n");
}

TEST_CASE("The control directory is found by its name and isn't listed", "[control]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path());
  CHECK(has_config(mount / ".mmapdirfs"));
  CHECK(names_in(mount.root()) == Names{"file"});
  for (const auto& found : std::filesystem::recursive_directory_iterator(mount.root())) {
    CHECK(found.path() == mount / "file");
  }
  CHECK(names_in(source.path()) == Names{"file"});
  CHECK_FALSE(names_in(mount / ".mmapdirfs").empty());
}

TEST_CASE("An option gives the control directory another name or takes it away", "[control]") {
  const TemporaryDirectory source;
  {
    const Mount mount(source.path(), {.options = {"--control=how it does"}});
    CHECK(has_config(mount / "how it does"));
    CHECK(::access((mount / ".mmapdirfs").c_str(), F_OK) == -1);
  }
  const Mount mount(source.path(), {.options = {"-ocontrol=off"}});
  CHECK(::access((mount / ".mmapdirfs").c_str(), F_OK) == -1);
  CHECK(::mkdir((mount / ".mmapdirfs").c_str(), 0755) == 0);
}

TEST_CASE("A source that has the control directory's name keeps it", "[control]") {
  const TemporaryDirectory source;
  write_file(source / ".mmapdirfs", "the source's own");
  const Mount mount(source.path());
  CHECK(mount.log().contains("the source has a '.mmapdirfs' itself"));
  CHECK(read_file(mount / ".mmapdirfs") == "the source's own");
  CHECK(names_in(mount.root()) == Names{".mmapdirfs"});
  must(::unlink((mount / ".mmapdirfs").c_str()), "unlink");
  CHECK(has_config(mount / ".mmapdirfs"));
  write_file(source / ".mmapdirfs", "come later");
  CHECK(eventually([&] {
    return std::filesystem::is_regular_file(mount / ".mmapdirfs") &&
           read_file(mount / ".mmapdirfs") == "come later";
  }));
}

std::vector<Change> changes() {
  return {
      {"mkdir", [](const Mount& m) { return ::mkdir((m / ".mmapdirfs/new").c_str(), 0755); }},
      {"create",
       [](const Mount& m) { return open_and_close(m / ".mmapdirfs/new", O_CREAT | O_RDWR); }},
      {"create a nameless file",
       [](const Mount& m) { return open_and_close(m / ".mmapdirfs", O_RDWR | O_TMPFILE); }},
      {"mkfifo",
       [](const Mount& m) { return ::mknod((m / ".mmapdirfs/new").c_str(), S_IFIFO | 0644, 0); }},
      {"symlink", [](const Mount& m) { return ::symlink("file", (m / ".mmapdirfs/new").c_str()); }},
      {"link into it",
       [](const Mount& m) { return ::link((m / "file").c_str(), (m / ".mmapdirfs/new").c_str()); }},
      {"link out of it",
       [](const Mount& m) {
         return ::link((m / ".mmapdirfs/config").c_str(), (m / "new").c_str());
       }},
      {"unlink", [](const Mount& m) { return ::unlink((m / ".mmapdirfs/config").c_str()); }},
      {"rmdir", [](const Mount& m) { return ::rmdir((m / ".mmapdirfs").c_str()); }},
      {"rename it",
       [](const Mount& m) { return std::rename((m / ".mmapdirfs").c_str(), (m / "new").c_str()); }},
      {"rename into it",
       [](const Mount& m) {
         return std::rename((m / "file").c_str(), (m / ".mmapdirfs/new").c_str());
       }},
      {"rename out of it",
       [](const Mount& m) {
         return std::rename((m / ".mmapdirfs/config").c_str(), (m / "new").c_str());
       }},
      {"rename over it",
       [](const Mount& m) {
         return std::rename((m / "directory").c_str(), (m / ".mmapdirfs").c_str());
       }},
      {"exchange with it",
       [](const Mount& m) {
         return ::renameat2(AT_FDCWD, (m / "file").c_str(), AT_FDCWD, (m / ".mmapdirfs").c_str(),
                            RENAME_EXCHANGE);
       }},
      {"chmod", [](const Mount& m) { return ::chmod((m / ".mmapdirfs").c_str(), 0777); }},
      {"chown", [](const Mount& m) { return ::chown((m / ".mmapdirfs/config").c_str(), 1, 1); }},
      {"truncate", [](const Mount& m) { return ::truncate((m / ".mmapdirfs/config").c_str(), 0); }},
      {"utimensat",
       [](const Mount& m) {
         return ::utimensat(AT_FDCWD, (m / ".mmapdirfs/config").c_str(), nullptr, 0);
       }},
      {"open for writing",
       [](const Mount& m) { return open_and_close(m / ".mmapdirfs/config", O_WRONLY); }},
      {"setxattr",
       [](const Mount& m) {
         return ::setxattr((m / ".mmapdirfs/config").c_str(), "user.new", "x", 1, 0);
       }},
      {"removexattr",
       [](const Mount& m) { return ::removexattr((m / ".mmapdirfs/config").c_str(), "user.new"); }},
  };
}

TEST_CASE("Nothing is made, moved or changed in the control directory", "[control]") {
  require_root();  // whom no mode stops
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  std::filesystem::create_directory(source / "directory");
  const bool read_only = GENERATE(false, true);
  const Mount mount(source.path(), {.options = read_only ? Names{"-oro"} : Names{}});
  for (const auto& [name, attempt] : changes()) {
    CAPTURE(name);
    errno = 0;
    CHECK(attempt(mount) == -1);
    CHECK(errno == (read_only ? EROFS : EPERM));
  }
  CHECK(has_config(mount / ".mmapdirfs"));
  CHECK(names_in(source.path()) == Names{"directory", "file"});
}

TEST_CASE("What has nothing to say about the control directory says so", "[control]") {
  const TemporaryDirectory source;
  write_file(source / "file", "x");
  const Mount mount(source.path());
  const std::string config = mount / ".mmapdirfs/config";
  std::array<char, 64> bytes{};
  CHECK(::getxattr(config.c_str(), "user.any", bytes.data(), bytes.size()) == -1);
  CHECK(errno == ENODATA);
  CHECK(::listxattr(config.c_str(), bytes.data(), bytes.size()) == 0);
  CHECK(::listxattr(config.c_str(), nullptr, 0) == 0);
  CHECK(::readlink(config.c_str(), bytes.data(), bytes.size()) == -1);
  CHECK(errno == EINVAL);
  const UniqueFd file = open_fd(config, O_RDONLY);
  int flags = 0;
  CHECK(::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) == -1);
  CHECK(errno == ENOTTY);
  CHECK(::flock(file.get(), LOCK_SH) == -1);
  CHECK(errno == EOPNOTSUPP);
  CHECK(::fsync(file.get()) == 0);
  CHECK(::fsync(open_fd(mount / ".mmapdirfs", O_RDONLY).get()) == 0);
  struct statvfs of_mount{};
  struct statvfs of_control{};
  CHECK(::statvfs(mount.root().c_str(), &of_mount) == 0);
  CHECK(::statvfs(config.c_str(), &of_control) == 0);
  CHECK(of_mount.f_files == of_control.f_files);

  // None of these answers is taken for the whole mount's.
  const UniqueFd ordinary = open_fd(mount / "file", O_RDWR);
  CHECK(::flock(ordinary.get(), LOCK_EX) == 0);
  CHECK(::ioctl(ordinary.get(), FS_IOC_GETFLAGS, &flags) ==
        ::ioctl(open_fd(source / "file", O_RDONLY).get(), FS_IOC_GETFLAGS, &flags));
}

TEST_CASE("A text that is read in small pieces is the one that was there at open", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  const UniqueFd file = open_fd(mount / ".mmapdirfs/config", O_RDONLY);
  const std::string whole = read_file(mount / ".mmapdirfs/config");
  std::string pieces;
  std::array<char, 7> piece{};
  for (ssize_t n = 1; n > 0; pieces.append(piece.data(), static_cast<std::size_t>(n))) {
    n = must(::read(file.get(), piece.data(), piece.size()), "read");
  }
  CHECK(pieces == whole);
  CHECK(read_at(file.get(), 5, 1) == whole.substr(1, 5));
}

TEST_CASE("A mount whose opens send no message has the control directory too", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"-oro", "--cache=always", "--read-path=mapped"}});
  const std::string text = read_file(mount / ".mmapdirfs/config");
  CHECK(text.contains("\"cache\":\"always\""));
  CHECK(std::filesystem::file_size(mount / ".mmapdirfs/config") == text.size());
  CHECK(names_in(mount.root()).empty());
}

TEST_CASE("An ordinary user has the control directory in his own mount", "[control]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.user = user});
  CHECK(errno_as(user, [&] {
          struct stat info{};
          must(::stat((mount / ".mmapdirfs").c_str(), &info), "stat");
          return has_config(mount / ".mmapdirfs") && info.st_uid == user.uid ? 0 : -1;
        }) == 0);
}

}  // namespace
}  // namespace mmapdir::test
