// SPDX-License-Identifier: MIT
// What each user may through an idmapped mount of the mount, and whom its work belongs to: the same
// as through an idmapped mount of a directory.

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <functional>
#include <sstream>
#include <string_view>

#include "parity_answer.h"
#include "support/acl.h"
#include "support/files.h"
#include "support/idmapped_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr id_t kFirst = 100'000;  // outside, of the container's user 0
constexpr unsigned kUsers = 2'000;
constexpr id_t kOwner = 1'000;   // on the source, and in the container
constexpr id_t kOther = 1'001;   // the same
constexpr id_t kJoined = 1'050;  // a group of some of them
constexpr std::string_view kNone;
constexpr auto kSame = static_cast<uid_t>(-1);

struct Who {
  const char* text;
  std::function<void(const UserNamespace&)> become;
};

void become(uid_t uid, gid_t gid, std::vector<gid_t> groups) {
  must(::setgroups(groups.size(), groups.data()), "setgroups");
  must(::setresgid(gid, gid, gid), "setresgid");
  must(::setresuid(uid, uid, uid), "setresuid");
}

const std::vector<Who>& everybody() {
  static const std::vector<Who> all{
      {.text = "the container's root",
       .become = [](const UserNamespace& users) { users.enter_as(0, 0); }},
      {.text = "the owner in the container",
       .become = [](const UserNamespace& users) { users.enter_as(kOwner, kOwner); }},
      {.text = "another in the container",
       .become = [](const UserNamespace& users) { users.enter_as(kOther, kOther); }},
      {.text = "the owner by its number outside",
       .become = [](const UserNamespace&) { become(kFirst + kOwner, kFirst + kOwner, {}); }},
      {.text = "the owner, in a mapped group",
       .become =
           [](const UserNamespace&) {
             become(kFirst + kOwner, kFirst + kOwner, {kFirst + kJoined});
           }},
      {.text = "a mapped user in an unmapped group",
       .become = [](const UserNamespace&) { become(kFirst + kOwner, 7, {}); }},
      {.text = "a user whom the mount doesn't map",
       .become = [](const UserNamespace&) { become(kOwner, kOwner, {kJoined}); }},
      {.text = "the machine's root", .become = [](const UserNamespace&) {}},
  };
  return all;
}

void make_file(const Path& path, mode_t mode, uid_t owner, gid_t group) {
  write_file(path, pattern(10'000, 1));
  must(::chown(path.c_str(), owner, group), "chown");
  must(::chmod(path.c_str(), mode), "chmod");
}

void make_directory(const Path& path, mode_t mode, uid_t owner, gid_t group) {
  must(::mkdir(path.c_str(), 0777), "mkdir");
  must(::chown(path.c_str(), owner, group), "chown");
  must(::chmod(path.c_str(), mode), "chmod");
}

constexpr std::array kFiles{"mode",  "group", "joined", "give", "strange", "write", "cut",
                            "trunc", "fill",  "times",  "user", "link",    "name"};

void make_tree(const Path& root) {
  must(::chmod(root.c_str(), 0777), "chmod");
  for (const char* name : kFiles) {
    make_file(root / name, 06755, kOwner, kOwner);
  }
  make_file(root / "acl", 0755, kOwner, kOwner);
  make_directory(root / "own", 02775, kOwner, kOwner);
  make_file(root / "roots", 0644, 0, 0);
  make_file(root / "others", 0640, kOther, kOther);
  make_file(root / "outside", 0666, 100, 5'000);  // its group isn't mapped
  make_file(root / "shared", 0060, 0, kJoined);
  make_directory(root / "open", 0777, 0, 0);
  make_directory(root / "handing", 02777, 0, kJoined);
  make_directory(root / "sticky", 01777, 0, 0);
  make_file(root / "sticky/owners", 0666, kOwner, kOwner);
  make_file(root / "sticky/others", 0666, kOther, kOther);
  make_directory(root / "acls", 0777, 0, 0);
  set_acl(root / "acls", acl_for_reader(kOther), kDefaultAclName);
  make_file(root / "readable", 0600, 0, 0);
  set_acl(root / "readable", acl_for_reader(kOwner));
}

// Each call with its answer, and what it left as it looks through the idmapped mount.
class Report {
 public:
  explicit Report(Path root) : root_(std::move(root)) {}

  template <class Call>
  void add(const std::string& what, const std::string& file, const Call& call) {
    const Path path = root_ / file;
    const std::string said = answer([&] { return call(path.c_str()); });
    (void)std::puts(fmt::format("{} {}: {} {}", what, file, said, look(path)).c_str());
  }

  static std::string look(const Path& path) {
    struct stat found{};
    const int lost = ::lstat(path.c_str(), &found);
    return lost != 0 ? errno_name(errno)
                     : fmt::format("{:o} {}:{} {}", found.st_mode, found.st_uid, found.st_gid,
                                   found.st_size);
  }

 private:
  Path root_;
};

template <class Call>
int with_open(const char* path, int flags, const Call& call) {
  const UniqueFd fd(::open(path, flags | O_CLOEXEC, 02755));
  return fd ? static_cast<int>(call(fd.get())) : -1;
}

int nothing(int /*fd*/) { return 0; }

void make_in(Report& report, const std::string& directory) {
  report.add("create", directory + "/file", [](const char* path) {
    return with_open(path, O_WRONLY | O_CREAT | O_EXCL, nothing);
  });
  report.add("mkdir", directory + "/made", [](const char* path) { return ::mkdir(path, 02777); });
  report.add("mknod", directory + "/fifo",
             [](const char* path) { return ::mknod(path, S_IFIFO | 0640, 0); });
  report.add("mknod", directory + "/device",
             [](const char* path) { return ::mknod(path, S_IFCHR | 0666, makedev(1, 3)); });
  report.add("symlink", directory + "/symlink",
             [](const char* path) { return ::symlink("to", path); });
  report.add("nameless", directory, [](const char* path) {
    return with_open(path, O_RDWR | O_TMPFILE, [](int fd) {
      struct stat found{};
      ::fstat(fd, &found);
      return static_cast<int>(found.st_mode + found.st_uid + (found.st_gid * 100'000));
    });
  });
  report.add("rename", directory + "/file", [](const char* path) {
    return ::rename(path, (std::string(path) + ".renamed").c_str());
  });
  report.add("leave a whiteout", directory + "/file.renamed", [](const char* path) {
    const std::string to = std::string(path) + ".away";
    return ::renameat2(AT_FDCWD, path, AT_FDCWD, to.c_str(), RENAME_WHITEOUT);
  });
}

void change_own(Report& report) {
  report.add("chmod", "mode", [](const char* path) { return ::chmod(path, 06711); });
  report.add("chown", "group",
             [](const char* path) { return ::chown(path, kSame, kFirst + kOther); });
  report.add("chown", "joined",
             [](const char* path) { return ::chown(path, kSame, kFirst + kJoined); });
  report.add("chown", "give",
             [](const char* path) { return ::chown(path, kFirst + kOther, kSame); });
  report.add("chown", "strange", [](const char* path) { return ::chown(path, 5, 5); });
  report.add("truncate", "cut", [](const char* path) { return ::truncate(path, 5); });
  report.add("O_TRUNC", "trunc",
             [](const char* path) { return with_open(path, O_WRONLY | O_TRUNC, nothing); });
  report.add("fallocate", "fill", [](const char* path) {
    return with_open(path, O_WRONLY, [](int fd) { return ::fallocate(fd, 0, 0, 20'000); });
  });
  report.add("utimensat", "times",
             [](const char* path) { return ::utimensat(AT_FDCWD, path, nullptr, 0); });
  report.add("setxattr", "user",
             [](const char* path) { return ::setxattr(path, "user.a", "b", 1, 0); });
  for (const char* file : {"acl", "own"}) {
    report.add("set an ACL", file, [](const char* path) {
      const std::string acl = acl_for_reader(kOther);
      return ::setxattr(path, kAclName, acl.data(), acl.size(), 0);
    });
  }
  report.add("link", "link", [](const char* path) {
    return ::link(path, (std::string(path) + ".second").c_str());
  });
  report.add("unlink", "name", [](const char* path) { return ::unlink(path); });
}

void use_others(Report& report) {
  for (const char* file : {"roots", "others", "outside", "shared", "readable"}) {
    report.add("read", file, [](const char* path) {
      return with_open(path, O_RDONLY, [](int fd) { return read_at(fd, 100, 5'000).size(); });
    });
    report.add("write", file, [](const char* path) {
      return with_open(path, O_WRONLY, [](int fd) { return ::write(fd, "x", 1); });
    });
    report.add("chmod", file, [](const char* path) { return ::chmod(path, 0640); });
    report.add("access", file, [](const char* path) { return ::access(path, R_OK | W_OK); });
  }
  report.add("unlink", "sticky/owners", [](const char* path) { return ::unlink(path); });
  report.add("unlink", "sticky/others", [](const char* path) { return ::unlink(path); });
}

std::string report_of(const Who& who, const UserNamespace& users, const Path& root,
                      bool passes_writes_through) {
  const Outcome outcome = run_function([&] {
    who.become(users);
    ::umask(022);
    Report report(root);
    for (const char* directory : {"open", "handing", "acls"}) {
      make_in(report, directory);
    }
    change_own(report);
    use_others(report);
    // Passed-through writes go in nobody's name; see exceptions_test.cpp.
    if (!passes_writes_through) {
      report.add("write", "write", [](const char* path) {
        return with_open(path, O_WRONLY, [](int fd) { return ::write(fd, "x", 1); });
      });
    }
    return 0;
  });
  INFO(outcome.error);
  REQUIRE(outcome.status == 0);
  return outcome.output;
}

// As the source itself has them.
std::string owners_in(const Path& root) {
  std::string lines;
  std::vector<Path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  for (const Path& path : paths) {
    lines += fmt::format("{} {}\n", path.lexically_relative(root).string(), Report::look(path));
  }
  return lines;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    lines.push_back(line);
  }
  return lines;
}

// The lines that differ, side by side.
std::string lines_apart(const std::string& actual, const std::string& expected) {
  const auto actual_lines = split(actual);
  const auto expected_lines = split(expected);
  std::string apart;
  for (std::size_t i = 0; i < std::max(actual_lines.size(), expected_lines.size()); ++i) {
    const std::string left = i < actual_lines.size() ? actual_lines[i] : "nothing";
    const std::string right = i < expected_lines.size() ? expected_lines[i] : "nothing";
    if (left != right) {
      apart += fmt::format("{} | {}\n", left, right);
    }
  }
  return apart;
}

TEST_CASE("Through an idmapped mount everybody may and makes what it would on the source",
          "[idmapped]") {
  require_idmapped_fuse();
  const ReadPath path = each_read_path();
  const bool passthrough = path.front() == "--read-path=passthrough";
  const UserNamespace users(kFirst, kUsers);
  for (const Who& who : everybody()) {
    CAPTURE(who.text);
    const TemporaryDirectory plain;
    const TemporaryDirectory source;
    const TemporaryDirectory views;
    std::filesystem::create_directory(views / "plain");
    std::filesystem::create_directory(views / "mount");
    make_tree(plain.path());
    make_tree(source.path());
    ReadPath options = path;
    options.insert(options.end(), {"-oallow_other,dev,suid", "--idmap=on"});
    const Mount mount(source.path(), {.options = options});
    const IdmappedMount plain_view(plain.path(), views / "plain", users);
    const IdmappedMount view(mount.root(), views / "mount", users);
    const std::string answers = report_of(who, users, view.path(), passthrough);
    CHECK(lines_apart(answers, report_of(who, users, plain_view.path(), passthrough)) == kNone);
    CHECK(lines_apart(owners_in(source.path()), owners_in(plain.path())) == kNone);
    CHECK(lines_apart(owners_in(mount.root()), owners_in(plain.path())) == kNone);
  }
}

}  // namespace
}  // namespace mmapdir::test
