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
    Node{"file", 'f', 0644, 'u'},
    Node{"empty", 'f', 0640, 'u'},
    Node{"others", 'f', 0644, 'r'},
    Node{"shared", 'f', 0666, 'r'},
    Node{"secret", 'f', 0600, 'r'},
    Node{"readonly", 'f', 0444, 'u'},
    Node{"program", 'f', 0755, 'u'},
    Node{"twin", 'f', 0644, 'u'},
    Node{"suid", 'f', 06755, 'u'},
    Node{"sgid", 'f', 02644, 'u'},
    Node{"shared-suid", 'f', 06777, 'r'},
    Node{"capable", 'f', 0777, 'u'},
    Node{"directory", 'd', 0755, 'u'},
    Node{"directory/inner", 'f', 0644, 'u'},
    Node{"directory/sub", 'd', 0755, 'u'},
    Node{"full", 'd', 0755, 'u'},
    Node{"full/inner", 'f', 0644, 'u'},
    Node{"hollow", 'd', 0755, 'u'},
    Node{"vacant", 'd', 0755, 'u'},
    Node{"closed", 'd', 0700, 'r'},
    Node{"closed/file", 'f', 0666, 'u'},
    Node{"locked", 'd', 0755, 'r'},
    Node{"locked/file", 'f', 0666, 'u'},
    Node{"locked/hollow", 'd', 0777, 'u'},
    Node{"sticky", 'd', 01777, 'r'},
    Node{"sticky/theirs", 'f', 0666, 'r'},
    Node{"sticky/mine", 'f', 0666, 'u'},
    Node{"sticky/hollow", 'd', 0777, 'r'},
    Node{"handing", 'd', 02777, 'r'},
    Node{"inheriting", 'd', 0777, 'r'},
    Node{"fifo", 'p', 0644, 'u'},
    Node{"socket", 's', 0644, 'u'},
    Node{"link", 'l', 0, 'u', "file"},
    Node{"link-up", 'l', 0, 'u', "directory"},
    Node{"dangling", 'l', 0, 'u', "nowhere"},
    Node{"loop", 'l', 0, 'u', "loop"},
};

void make(const Path& path, const Node& node) {
  switch (node.type) {
    case 'f':
      write_file(path, path.filename() == "empty"     ? ""
                       : path.filename() == "program" ? "#!/bin/sh\nexit 7\n"
                                                      : pattern(10'000, 1));
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
