// SPDX-License-Identifier: MIT
// What a caller may by its supplementary groups and its capabilities, rather than by being root or
// the owner: on the mount it is what it is on a directory.

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "parity_answer.h"
#include "support/acl.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr gid_t kJoined = 50;   // the caller's, but not its first
constexpr gid_t kForeign = 51;  // not the caller's
constexpr mode_t kSharedMode = 02664;
constexpr auto kSame = static_cast<uid_t>(-1);

struct Who {
  const char* text;
  bool joins;               // kJoined
  unsigned capability = 0;  // that it has; 0 (CAP_CHOWN) stands for none
};

// Nobody with CAP_FSETID: FUSE doesn't tell of it, so who isn't root is taken not to have it.
constexpr std::array kEverybody{
    Who{.text = "in a supplementary group", .joins = true},
    Who{.text = "in no other group", .joins = false},
    Who{.text = "with CAP_MKNOD", .joins = false, .capability = CAP_MKNOD},
    Who{.text = "with CAP_FOWNER", .joins = false, .capability = CAP_FOWNER},
    Who{.text = "with CAP_DAC_OVERRIDE", .joins = false, .capability = CAP_DAC_OVERRIDE},
    Who{.text = "with CAP_LINUX_IMMUTABLE", .joins = false, .capability = CAP_LINUX_IMMUTABLE},
};

void set_capabilities(std::uint32_t effective) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  sets[0].effective = effective;
  sets[0].permitted = effective;
  must(::syscall(SYS_capset, &header, sets.data()), "capset");
}

void become(const Who& who) {
  const User user = ordinary_user();
  const gid_t group = kJoined;
  must(::prctl(PR_SET_KEEPCAPS, 1), "prctl");
  must(::setgroups(who.joins ? 1 : 0, &group), "setgroups");
  must(::setresgid(user.gid, user.gid, user.gid), "setresgid");
  must(::setresuid(user.uid, user.uid, user.uid), "setresuid");
  set_capabilities(who.capability == 0 ? 0 : 1U << who.capability);
}

constexpr std::array kFiles{"chmod", "chgrp", "chgrp-joined", "chgrp-own",
                            "write", "cut",   "cut-open",     "allocate",
                            "acl",   "copy",  "open",         "truncating"};

void make_file(const Path& path, mode_t mode, uid_t owner, gid_t group) {
  write_file(path, pattern(10'000, 1));
  must(::chown(path.c_str(), owner, group), "chown");
  must(::chmod(path.c_str(), mode), "chmod");
}

void make_directory(const Path& path, mode_t mode, gid_t group) {
  must(::mkdir(path.c_str(), 0777), "mkdir");
  must(::chown(path.c_str(), 0, group), "chown");
  must(::chmod(path.c_str(), mode), "chmod");
}

// The same files of each group, and directories that hand each group on.
void make_tree(const Path& root) {
  const User user = ordinary_user();
  must(::chmod(root.c_str(), 0777), "chmod");
  for (const gid_t group : {kJoined, kForeign}) {
    for (const char* name : kFiles) {
      make_file(root / fmt::format("{}-{}", name, group), kSharedMode, user.uid, group);
    }
    make_directory(root / fmt::format("handing-{}", group), 02777, group);
    make_directory(root / fmt::format("joined-{}", group), 0770, group);
    const Path own = root / fmt::format("own-{}", group);
    make_directory(own, 02775, group);
    must(::chown(own.c_str(), user.uid, kSame), "chown");
  }
  make_file(root / "roots", 0644, 0, 0);
  make_directory(root / "sticky", 01777, 0);
  make_file(root / "sticky/roots", 0666, 0, 0);
}

class Report {
 public:
  explicit Report(Path root) : root_(std::move(root)) {}

  template <class Call>
  void add(const std::string& what, const std::string& file, const Call& call) {
    const Path path = root_ / file;
    const std::string said = answer([&] { return call(path.c_str()); });
    struct stat found{};
    const int lost = ::lstat(path.c_str(), &found);
    (void)std::puts(fmt::format("{} {}: {} {} {:o} {}:{} {}", what, file, said, lost, found.st_mode,
                                found.st_uid, found.st_gid, found.st_size)
                        .c_str());
  }

 private:
  Path root_;
};

template <class Call>
int with_open(const char* path, int flags, const Call& call) {
  const UniqueFd fd(::open(path, flags | O_CLOEXEC, 02755));
  return fd ? static_cast<int>(call(fd.get())) : -1;
}

void make_in(Report& report, const std::string& directory) {
  report.add("create", directory + "/file", [](const char* path) {
    return with_open(path, O_WRONLY | O_CREAT | O_EXCL, [](int) { return 0; });
  });
  report.add("mkdir", directory + "/made", [](const char* path) { return ::mkdir(path, 02777); });
  report.add("mknod", directory + "/node",
             [](const char* path) { return ::mknod(path, S_IFREG | 02755, 0); });
  report.add("nameless", directory, [](const char* path) {
    return with_open(path, O_RDWR | O_TMPFILE, [](int fd) {
      struct stat found{};
      ::fstat(fd, &found);
      return static_cast<int>(found.st_mode);
    });
  });
}

void change_shared(Report& report, gid_t group) {
  const auto name = [group](const char* file) { return fmt::format("{}-{}", file, group); };
  const auto nothing = [](int) { return 0; };
  report.add("chmod", name("chmod"), [](const char* path) { return ::chmod(path, 02755); });
  report.add("chown", name("chgrp"),
             [](const char* path) { return ::chown(path, kSame, kForeign); });
  report.add("chown", name("chgrp-joined"),
             [](const char* path) { return ::chown(path, kSame, kJoined); });
  report.add("chown", name("chgrp-own"),
             [](const char* path) { return ::chown(path, ordinary_user().uid, kSame); });
  report.add("truncate", name("cut"), [](const char* path) { return ::truncate(path, 5); });
  report.add("ftruncate", name("cut-open"), [](const char* path) {
    return with_open(path, O_WRONLY, [](int fd) { return ::ftruncate(fd, 5); });
  });
  report.add("fallocate", name("allocate"), [](const char* path) {
    return with_open(path, O_WRONLY, [](int fd) { return ::fallocate(fd, 0, 0, 20'000); });
  });
  report.add("copy_file_range", name("copy"), [](const char* path) {
    return with_open(path, O_RDWR, [](int fd) {
      off_t from = 0;
      off_t to = 20'000;
      return ::copy_file_range(fd, &from, fd, &to, 100, 0);
    });
  });
  for (const char* acl_of : {"acl", "own"}) {
    report.add("set an ACL", name(acl_of), [](const char* path) {
      const std::string acl = acl_for_reader(kForeign);
      return ::setxattr(path, kAclName, acl.data(), acl.size(), 0);
    });
  }
  report.add("open", name("open"),
             [&](const char* path) { return with_open(path, O_WRONLY, nothing); });
  report.add("O_TRUNC", name("truncating"),
             [&](const char* path) { return with_open(path, O_WRONLY | O_TRUNC, nothing); });
}

void use_capabilities(Report& report) {
  report.add("mknod", "device",
             [](const char* path) { return ::mknod(path, S_IFCHR | 0666, makedev(1, 3)); });
  report.add("O_NOATIME", "roots", [](const char* path) {
    return with_open(path, O_RDONLY | O_NOATIME, [](int) { return 0; });
  });
  report.add("set an ACL", "roots", [](const char* path) {
    const std::string acl = acl_for_reader(kForeign);
    return ::setxattr(path, kAclName, acl.data(), acl.size(), 0);
  });
  report.add("chmod", "roots", [](const char* path) { return ::chmod(path, 06745); });
  report.add("truncate", "roots", [](const char* path) { return ::truncate(path, 5); });
  report.add("utimensat", "roots",
             [](const char* path) { return ::utimensat(AT_FDCWD, path, nullptr, 0); });
  report.add("unlink", "sticky/roots", [](const char* path) { return ::unlink(path); });
}

// What `who` gets in a tree of its own beneath `root`, a line for each call.
std::string report_of(const Who& who, const Path& root, bool passes_writes_through) {
  const Outcome outcome = run_function([&] {
    become(who);
    ::umask(0);
    Report report(root);
    for (const gid_t group : {kJoined, kForeign}) {
      make_in(report, fmt::format("handing-{}", group));
      make_in(report, fmt::format("joined-{}", group));
      change_shared(report, group);
      // Passed-through writes go in nobody's name; see exceptions_test.cpp.
      if (!passes_writes_through) {
        report.add("write", fmt::format("write-{}", group), [](const char* path) {
          return with_open(path, O_WRONLY, [](int fd) { return ::write(fd, "x", 1); });
        });
      }
    }
    use_capabilities(report);
    return 0;
  });
  INFO(outcome.error);
  REQUIRE(outcome.status == 0);
  return outcome.output;
}

TEST_CASE("Supplementary groups and capabilities count for as much as on a directory",
          "[write_parity]") {
  require_ordinary_user();
  const ReadPath path = each_read_path();
  const bool passthrough = path.front() == "--read-path=passthrough";
  for (const Who& who : kEverybody) {
    CAPTURE(who.text);
    const TemporaryDirectory plain;
    const TemporaryDirectory source;
    make_tree(plain.path());
    make_tree(source.path());
    const Mount mount(source.path(), {.options = with_option(path, "-oallow_other")});
    CHECK(difference(report_of(who, mount.root(), passthrough),
                     report_of(who, plain.path(), passthrough))
              .empty());
  }
}

}  // namespace
}  // namespace mmapdir::test
