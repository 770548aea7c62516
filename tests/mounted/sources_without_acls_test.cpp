// SPDX-License-Identifier: MIT
// Sources on file systems that have no POSIX ACLs, nor most of what ext4 has beside them: by
// themselves, and within a source that has.

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <memory>
#include <tuple>

#include "parity_answer.h"
#include "support/acl.h"
#include "support/disk_image.h"
#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Files and directories of root's and of the ordinary user's, open and closed to others.
void make_tree(const Path& root) {
  const User user = ordinary_user();
  for (const auto& [owner, uid, gid] :
       {std::tuple{"root", uid_t{0}, gid_t{0}}, std::tuple{"user", user.uid, user.gid},
        std::tuple{"other", user.uid - 1, user.gid - 1}}) {
    for (const mode_t mode : {0644U, 0600U, 0666U, 0640U}) {
      const Path file = root / fmt::format("{}-{:o}", owner, mode);
      write_file(file, pattern(10'000, mode));
      must(::chown(file.c_str(), uid, gid), "chown");
      must(::chmod(file.c_str(), mode), "chmod");
    }
    for (const mode_t mode : {0755U, 0700U, 0777U}) {
      const Path directory = root / fmt::format("{}-{:o}", owner, mode);
      std::filesystem::create_directory(directory);
      write_file(directory / "file", "within");
      must(::chown(directory.c_str(), uid, gid), "chown");
      must(::chmod(directory.c_str(), mode), "chmod");
    }
  }
}

std::string flags_answer(int fd) {
  int flags = 0;
  return answer([&] { return ::ioctl(fd, FS_IOC_GETFLAGS, &flags); });
}

std::string attribute_answer(const Path& path, const char* name) {
  std::string value(100, '\0');
  return answer([&] { return ::getxattr(path.c_str(), name, value.data(), value.size()); });
}

std::string statx_answer(const Path& path) {
  struct statx found{};
  return answer(
      [&] { return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_ALL, &found); });
}

// What becomes of each thing that one can do to a file and doesn't change the tree for good.
void ask_about_file(const Path& path) {
  const auto say = [&](const char* what, const std::string& said) {
    std::puts(fmt::format("{} {}: {}", path.filename().string(), what, said).c_str());
  };
  say("stat", statx_answer(path));
  say("read", read_answer(path, 20'000, 0));
  say("write", opened(path, O_WRONLY, [](int) { return "opened"; }));
  say("may write", answer([&] { return ::access(path.c_str(), W_OK); }));
  say("list attributes", answer([&] { return ::listxattr(path.c_str(), nullptr, 0); }));
  say("user attribute", attribute_answer(path, "user.x"));
  say("set user attribute", answer([&] { return ::setxattr(path.c_str(), "user.x", "y", 1, 0); }));
  say("remove user attribute", answer([&] { return ::removexattr(path.c_str(), "user.x"); }));
  const std::string acl = acl_for_reader(1);
  say("set ACL",
      answer([&] { return ::setxattr(path.c_str(), kAclName, acl.data(), acl.size(), 0); }));
  say("remove ACL", answer([&] { return ::removexattr(path.c_str(), kAclName); }));
  say("flags", opened(path, O_RDONLY, flags_answer));
  say("allocate", opened(path, O_RDWR, [](int fd) {
        return answer([&] { return ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4'096); });
      }));
  say("punch", opened(path, O_RDWR, [](int fd) {
        return answer([&] {
          return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 4'096);
        });
      }));
  say("seek hole", opened(path, O_RDONLY, [](int fd) {
        return answer([&] { return ::lseek(fd, 0, SEEK_HOLE); });
      }));
  say("sync", opened(path, O_RDONLY, [](int fd) { return answer([&] { return ::fsync(fd); }); }));
}

void ask_about_directory(const Path& path) {
  const auto say = [&](const char* what, const std::string& said) {
    std::puts(fmt::format("{} {}: {}", path.filename().string(), what, said).c_str());
  };
  const auto renamed = [&](unsigned flags) {
    return answer([&] {
      return ::renameat2(AT_FDCWD, (path / "new").c_str(), AT_FDCWD, (path / "file").c_str(),
                         flags);
    });
  };
  say("list", listing_answer(path));
  say("file in it", read_answer(path / "file", 100, 0));
  say("no file in it", read_answer(path / "none", 100, 0));
  say("default ACL", answer([&] {
        const std::string acl = acl_for_reader(1);
        return ::setxattr(path.c_str(), kDefaultAclName, acl.data(), acl.size(), 0);
      }));
  say("create", opened(path / "new", O_CREAT | O_EXCL | O_WRONLY, [](int) { return "created"; }));
  say("mode", answer([&] { return ::chmod((path / "new").c_str(), 0640); }));
  say("not replace", renamed(RENAME_NOREPLACE));
  say("exchange", renamed(RENAME_EXCHANGE));
  say("exchange back", renamed(RENAME_EXCHANGE));
  say("white out", renamed(RENAME_WHITEOUT));
  say("link", answer([&] { return ::link((path / "file").c_str(), (path / "link").c_str()); }));
  say("remove link", answer([&] { return ::unlink((path / "link").c_str()); }));
  say("remove", answer([&] { return ::unlink((path / "new").c_str()); }));
  say("without a name", opened(path, O_TMPFILE | O_RDWR, [](int) { return "made"; }));
  say("make fifo", answer([&] { return ::mkfifo((path / "fifo").c_str(), 0644); }));
  say("remove fifo", answer([&] { return ::unlink((path / "fifo").c_str()); }));
  say("flags", opened(path, O_RDONLY | O_DIRECTORY, flags_answer));
  say("sync", opened(path, O_RDONLY | O_DIRECTORY,
                     [](int fd) { return answer([&] { return ::fsync(fd); }); }));
}

std::string answers_about(const Path& tree, const User& who) {
  const Outcome outcome = run_function(
      [&] {
        for (const char* owner : {"root", "user", "other"}) {
          for (const char* mode : {"644", "600", "666", "640"}) {
            ask_about_file(tree / fmt::format("{}-{}", owner, mode));
          }
          for (const char* mode : {"755", "700", "777"}) {
            ask_about_directory(tree / fmt::format("{}-{}", owner, mode));
          }
        }
        return std::fflush(stdout);
      },
      {.user = who});
  INFO(outcome.error);
  REQUIRE(outcome.status == 0);
  return outcome.output;
}

// One line for each answer that differs.
std::string differences(const std::string& source, const std::string& mount) {
  std::istringstream there(source);
  std::istringstream here(mount);
  std::string text;
  std::string a;
  std::string b;
  while (static_cast<bool>(std::getline(there, a)) | static_cast<bool>(std::getline(here, b))) {
    // The kernel asks first whether the file is the caller's, of a source that might have ACLs.
    const bool is_refused_sooner = a.ends_with("ACL: EOPNOTSUPP") && b.ends_with("ACL: EPERM");
    text += a == b || is_refused_sooner ? "" : fmt::format("{} on the mount: {}\n", a, b);
  }
  return text;
}

struct Source {
  TemporaryDirectory directory;
  Path inner;  // where the file system without ACLs is
  Path root;   // what is mounted
  std::unique_ptr<KernelMount> mounted{};
  std::unique_ptr<DiskImage> image{};
};

std::unique_ptr<Source> source_of(const std::string& kind) {
  auto source = std::make_unique<Source>();
  source->root = source->directory / "root";
  source->inner = kind == "nested ramfs" ? source->root / "inner" : source->root;
  std::filesystem::create_directories(source->inner);
  if (kind != "squashfs") {
    source->mounted.reset(new KernelMount(KernelMount::ramfs(source->inner)));
    make_tree(source->inner);
    return source;
  }
  require_disk_images("squashfs");
  make_tree(source->inner);
  const Path image = source->directory / "image";
  must_run({"mksquashfs", source->inner, image, "-quiet", "-no-progress"});
  source->image = std::make_unique<DiskImage>(image, source->inner, "loop,ro");
  return source;
}

TEST_CASE("A source without ACLs answers everybody as it does without the mount",
          "[sources_without_acls]") {
  require_root();
  const std::string kind = GENERATE("ramfs", "nested ramfs", "squashfs");
  const std::string cache = GENERATE("auto", "never", "always");
  const std::string path = GENERATE("passthrough", "mapped", "plain");
  if (path == "passthrough") {
    require_passthrough();
  }
  CAPTURE(kind);
  const auto source = source_of(kind);
  const Mount mount(source->root,
                    {.options = {"--read-path=" + path, "--cache=" + cache, "-oallow_other"}});
  const Path here = mount.root() / source->inner.lexically_relative(source->root);
  for (const User& who : {User{}, ordinary_user()}) {
    CAPTURE(who.uid);
    // Twice: what the kernel has kept must answer as well.
    for (int turn = 0; turn < 2; ++turn) {
      CHECK(differences(answers_about(source->inner, who), answers_about(here, who)) == "");
    }
  }
}

// The exceptions: a program that asks for a list hears that this file has none.
TEST_CASE("A file of a source without ACLs has no ACL on a mount that lets the kernel check",
          "[sources_without_acls]") {
  require_root();
  const auto source = source_of("ramfs");
  const Mount mount(source->root);
  for (const char* name : {kAclName, kDefaultAclName}) {
    CHECK(attribute_answer(source->root / "root-755", name) == "EOPNOTSUPP");
    CHECK(attribute_answer(mount / "root-755", name) == "ENODATA");
  }
  for (const char* program : {"getfacl -cp", "ls -ld"}) {
    const auto said = [&](const Path& root) {
      return run({"sh", "-c", fmt::format("cd {}; {} root-755", root.string(), program)}).output;
    };
    CHECK(said(mount.root()) == said(source->root));
  }
}

}  // namespace
}  // namespace mmapdir::test
