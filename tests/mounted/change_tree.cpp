// SPDX-License-Identifier: MIT
#include "change_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <sstream>

#include "parity_answer.h"
#include "support/acl.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

struct Node {
  const char* name;
  char type;  // f, d, p(ipe), s(ocket), l(ink)
  mode_t mode;
  char owner;  // r(oot) or u(ser)
  const char* target = "";
};

constexpr std::array kNodes{
    Node{.name = "file", .type = 'f', .mode = 0644, .owner = 'u'},
    Node{.name = "empty", .type = 'f', .mode = 0640, .owner = 'u'},
    Node{.name = "others", .type = 'f', .mode = 0644, .owner = 'r'},
    Node{.name = "shared", .type = 'f', .mode = 0666, .owner = 'r'},
    Node{.name = "secret", .type = 'f', .mode = 0600, .owner = 'r'},
    Node{.name = "readonly", .type = 'f', .mode = 0444, .owner = 'u'},
    Node{.name = "program", .type = 'f', .mode = 0755, .owner = 'u'},
    Node{.name = "twin", .type = 'f', .mode = 0644, .owner = 'u'},
    Node{.name = "suid", .type = 'f', .mode = 06755, .owner = 'u'},
    Node{.name = "sgid", .type = 'f', .mode = 02644, .owner = 'u'},
    Node{.name = "shared-suid", .type = 'f', .mode = 06777, .owner = 'r'},
    Node{.name = "capable", .type = 'f', .mode = 0777, .owner = 'u'},
    Node{.name = "directory", .type = 'd', .mode = 0755, .owner = 'u'},
    Node{.name = "directory/inner", .type = 'f', .mode = 0644, .owner = 'u'},
    Node{.name = "directory/sub", .type = 'd', .mode = 0755, .owner = 'u'},
    Node{.name = "full", .type = 'd', .mode = 0755, .owner = 'u'},
    Node{.name = "full/inner", .type = 'f', .mode = 0644, .owner = 'u'},
    Node{.name = "hollow", .type = 'd', .mode = 0755, .owner = 'u'},
    Node{.name = "vacant", .type = 'd', .mode = 0755, .owner = 'u'},
    Node{.name = "closed", .type = 'd', .mode = 0700, .owner = 'r'},
    Node{.name = "closed/file", .type = 'f', .mode = 0666, .owner = 'u'},
    Node{.name = "locked", .type = 'd', .mode = 0755, .owner = 'r'},
    Node{.name = "locked/file", .type = 'f', .mode = 0666, .owner = 'u'},
    Node{.name = "locked/hollow", .type = 'd', .mode = 0777, .owner = 'u'},
    Node{.name = "sticky", .type = 'd', .mode = 01777, .owner = 'r'},
    Node{.name = "sticky/theirs", .type = 'f', .mode = 0666, .owner = 'r'},
    Node{.name = "sticky/mine", .type = 'f', .mode = 0666, .owner = 'u'},
    Node{.name = "sticky/hollow", .type = 'd', .mode = 0777, .owner = 'r'},
    Node{.name = "handing", .type = 'd', .mode = 02777, .owner = 'r'},
    Node{.name = "inheriting", .type = 'd', .mode = 0777, .owner = 'r'},
    Node{.name = "fifo", .type = 'p', .mode = 0644, .owner = 'u'},
    Node{.name = "socket", .type = 's', .mode = 0644, .owner = 'u'},
    Node{.name = "link", .type = 'l', .mode = 0, .owner = 'u', .target = "file"},
    Node{.name = "link-up", .type = 'l', .mode = 0, .owner = 'u', .target = "directory"},
    Node{.name = "dangling", .type = 'l', .mode = 0, .owner = 'u', .target = "nowhere"},
    Node{.name = "loop", .type = 'l', .mode = 0, .owner = 'u', .target = "loop"},
};

std::string content_of(const std::string& name) {
  if (name == "empty") {
    return "";
  }
  return name == "program" ? "#!/bin/sh\nexit 7\n" : pattern(10'000, 1);
}

void make(const Path& path, const Node& node) {
  switch (node.type) {
    case 'f':
      write_file(path, content_of(path.filename().string()));
      break;
    case 'd':
      must(::mkdir(path.c_str(), 0755), "mkdir");
      break;
    case 'p':
      must(::mkfifo(path.c_str(), 0644), "mkfifo");
      break;
    case 's':
      must(::mknod(path.c_str(), S_IFSOCK | 0644, 0), "mknod");
      break;
    default:
      must(::symlink(node.target, path.c_str()), "symlink");
  }
}

// Far in the past, and an access time so far ahead that reading doesn't move it.
void make_old(const Path& path) {
  constexpr timespec kPast{.tv_sec = 1'000'000'000, .tv_nsec = 123'456'789};
  constexpr timespec kAhead{.tv_sec = 4'102'444'800, .tv_nsec = 5};
  const std::array times{kAhead, kPast};
  must(::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), "utimensat");
}

// The right to bind low ports, in the form of the extended attribute (capabilities(7)).
void make_capable(const Path& path) {
  vfs_cap_data data{};
  data.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  data.data[0].permitted = 1U << CAP_NET_BIND_SERVICE;
  must(::setxattr(path.c_str(), "security.capability", &data, XATTR_CAPS_SZ_2, 0), "setxattr");
}

std::string time_text(const timespec& time) {
  constexpr time_t kDay = 86'400;
  return std::abs(time.tv_sec - ::time(nullptr)) < kDay
             ? "recent"
             : fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

std::string content_text(const Path& path, const struct stat& found) {
  if (S_ISREG(found.st_mode)) {
    const UniqueFd fd = open_fd(path, O_RDONLY | O_NOATIME);
    constexpr off_t kMost = 1 << 20;  // a sparse file's beginning says enough
    return fmt::format("{:x}",
                       std::hash<std::string>{}(read_at(
                           fd.get(), static_cast<std::size_t>(std::min(found.st_size, kMost)), 0)));
  }
  return S_ISLNK(found.st_mode) ? std::filesystem::read_symlink(path).string() : "";
}

std::string xattrs_text(const Path& path) {
  std::string names(10'000, '\0');
  names.resize(static_cast<std::size_t>(
      must(::llistxattr(path.c_str(), names.data(), names.size()), "llistxattr " + path.string())));
  std::vector<std::string> texts;
  std::istringstream stream(names);
  for (std::string name; std::getline(stream, name, '\0');) {
    std::string value(70'000, '\0');
    value.resize(static_cast<std::size_t>(must(
        ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size()), "lgetxattr " + name)));
    texts.push_back(fmt::format(" {}={:x}", name, std::hash<std::string>{}(value)));
  }
  std::ranges::sort(texts);
  std::string text;
  for (const std::string& each : texts) {
    text += each;
  }
  return text;
}

std::string describe(const Path& path, const std::string& name) {
  struct stat found{};
  must(::lstat(path.c_str(), &found), "lstat " + path.string());
  const bool has_size = !S_ISDIR(found.st_mode);
  return fmt::format("{}: {:o} {}:{} links {} size {} device {:x} modified {} accessed {} {}{}",
                     name, found.st_mode, found.st_uid, found.st_gid, found.st_nlink,
                     has_size ? found.st_size : 0, found.st_rdev, time_text(found.st_mtim),
                     time_text(found.st_atim), content_text(path, found), xattrs_text(path));
}

}  // namespace

void make_change_tree(const Path& root, const User& owner) {
  std::filesystem::create_directory(root);
  for (const Node& node : kNodes) {
    make(root / node.name, node);
  }
  must(::link((root / "twin").c_str(), (root / "twin-too").c_str()), "link");
  for (const char* file : {"file", "directory", "secret"}) {
    must(::setxattr((root / file).c_str(), "user.note", "noted", 5, 0), "setxattr");
  }
  set_acl(root / "inheriting", acl_for_reader(owner.uid), kDefaultAclName);
  for (const Node& node : kNodes) {
    if (node.owner == 'u') {
      must(::lchown((root / node.name).c_str(), owner.uid, owner.gid), "lchown");
    }
    if (node.type != 'l') {
      must(::chmod((root / node.name).c_str(), node.mode), "chmod");
    }
  }
  constexpr gid_t kForeignGroup = 1;
  must(::chown((root / "handing").c_str(), 0, kForeignGroup), "chown");
  must(::chmod((root / "handing").c_str(), 02777), "chmod");
  must(::chown(root.c_str(), owner.uid, owner.gid), "chown");
  must(::chmod(root.c_str(), 0755), "chmod");
  make_capable(root / "capable");
  for (const Node& node : kNodes) {
    make_old(root / node.name);
  }
  make_old(root);
}

std::vector<std::string> describe_tree(const Path& root) {
  std::vector<std::string> lines{describe(root, ".")};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    lines.push_back(describe(entry.path(), entry.path().lexically_relative(root)));
  }
  std::ranges::sort(lines);
  return lines;
}

std::vector<std::string> lines_apart(const std::vector<std::string>& actual,
                                     const std::vector<std::string>& expected) {
  std::vector<std::string> apart;
  for (const std::string& line : actual) {
    if (!std::ranges::binary_search(expected, line)) {
      apart.push_back("is " + line);
    }
  }
  for (const std::string& line : expected) {
    if (!std::ranges::binary_search(actual, line)) {
      apart.push_back("should be " + line);
    }
  }
  return apart;
}

}  // namespace mmapdir::test
