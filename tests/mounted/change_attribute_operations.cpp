// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <tuple>

#include "change_operations.h"
#include "parity_answer.h"
#include "support/acl.h"
#include "support/process.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// What anybody may become the owner of, and nobody else's.
constexpr uid_t kForeign = 1;
constexpr auto kSame = static_cast<uid_t>(-1);

void add_modes(Changes& table) {
  for (const mode_t mode : {0751U, 07755U, 02755U, 0U, 0777U}) {
    const std::string group = fmt::format("chmod {:o}", mode);
    for (const char* file :
         {"none",       "file/x",      "dangling",    "loop",          "secret", "others",
          "shared",     "closed/file", "locked/file", "sticky/theirs", "file",   "link",
          "empty",      "suid",        "sgid",        "directory",     "hollow", "handing",
          "inheriting", "fifo",        "socket",      "capable"}) {
      table.push_back({group, file, [mode, file](const Path& tree) {
                         return answer([&] { return ::chmod((tree / file).c_str(), mode); });
                       }});
    }
    table.push_back({group, "through a descriptor", [mode](const Path& tree) {
                       return opened(tree / "program", O_RDONLY, [&](int fd) {
                         return answer([&] { return ::fchmod(fd, mode); });
                       });
                     }});
  }
  table.push_back({"chmod of a link", "itself", [](const Path& tree) {
                     return answer([&] {
                       return ::fchmodat(AT_FDCWD, (tree / "link").c_str(), 0600,
                                         AT_SYMLINK_NOFOLLOW);
                     });
                   }});
}

void add_owners(Changes& table) {
  const User user = ordinary_user();
  using Row = std::tuple<const char*, uid_t, gid_t>;
  for (const auto& [name, uid, gid] : {
           Row{"to the ordinary user", user.uid, kSame},
           Row{"to the ordinary user's group", kSame, user.gid},
           Row{"to both", user.uid, user.gid},
           Row{"to root", 0, kSame},
           Row{"to root's group", kSame, 0},
           Row{"to a foreign group", kSame, kForeign},
           Row{"to a foreigner", kForeign, kForeign},
       }) {
    for (const char* file :
         {"none", "dangling", "secret", "others", "shared-suid", "closed/file", "locked/file",
          "file", "link", "suid", "sgid", "capable", "directory", "handing", "fifo", "socket"}) {
      for (const bool follow : {true, false}) {
        if (!follow && file != std::string_view("link")) {
          continue;
        }
        table.push_back({fmt::format("chown {}", name),
                         fmt::format("{}{}", file, follow ? "" : " itself"), [=](const Path& tree) {
                           return answer([&] {
                             return ::fchownat(AT_FDCWD, (tree / file).c_str(), uid, gid,
                                               follow ? 0 : AT_SYMLINK_NOFOLLOW);
                           });
                         }});
      }
    }
  }
}

void add_times(Changes& table) {
  constexpr timespec kNow{.tv_sec = 1, .tv_nsec = UTIME_NOW};
  constexpr timespec kOmit{.tv_sec = 1, .tv_nsec = UTIME_OMIT};
  const auto at = [](time_t seconds, long nanoseconds) {
    return timespec{.tv_sec = seconds, .tv_nsec = nanoseconds};
  };
  using Row = std::tuple<const char*, timespec, timespec>;
  for (const auto& [name, access, modification] : {
           Row{"both now", kNow, kNow},
           Row{"both left", kOmit, kOmit},
           Row{"access now", kNow, kOmit},
           Row{"modification now", kOmit, kNow},
           Row{"access set", at(123'456'789, 987'654'321), kOmit},
           Row{"modification set", kOmit, at(123'456'789, 1)},
           Row{"one set, one now", at(5, 5), kNow},
           Row{"both set", at(1, 999'999'999), at(2, 0)},
           Row{"before the epoch", at(-5, 500'000'000), at(-1, 1)},
           Row{"beyond 2038", at(3'000'000'000, 1), at(8'000'000'000, 2)},
           Row{"far away", at(1'000'000'000'000, 1), at(-1'000'000'000'000, 2)},
           Row{"no nanoseconds", at(1, 1'000'000'000), kOmit},
           Row{"negative nanoseconds", kOmit, at(1, -1)},
       }) {
    const std::array times{access, modification};
    const std::string group = fmt::format("times: {}", name);
    for (const char* file : {"none", "dangling", "loop", "secret", "others", "shared", "readonly",
                             "closed/file", "file", "link", "directory", "fifo", "socket"}) {
      for (const int flags : {0, AT_SYMLINK_NOFOLLOW}) {
        table.push_back({group, fmt::format("{} flags {}", file, flags), [=](const Path& tree) {
                           return answer([&] {
                             return ::utimensat(AT_FDCWD, (tree / file).c_str(), times.data(),
                                                flags);
                           });
                         }});
      }
    }
    for (const int flags : {O_RDONLY, O_RDWR, O_PATH}) {
      table.push_back(
          {group, fmt::format("by a descriptor, flags {}", flags), [=](const Path& tree) {
             return opened(tree / "program", flags, [&](int fd) {
               return answer([&] { return ::futimens(fd, times.data()); });
             });
           }});
    }
  }
  change_each_path(table, "times: none given", [](const Path& path) {
    return answer([&] { return ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); });
  });
}

void add_xattrs(Changes& table) {
  using Row = std::tuple<const char*, std::string, std::size_t, int>;
  const std::array rows{
      Row{"make", "user.new", 3, XATTR_CREATE},
      Row{"replace what isn't there", "user.none", 3, XATTR_REPLACE},
      Row{"replace", "user.note", 30, XATTR_REPLACE},
      Row{"make what is there", "user.note", 3, XATTR_CREATE},
      Row{"set", "user.note", 0, 0},
      Row{"make and replace", "user.note", 3, XATTR_CREATE | XATTR_REPLACE},
      Row{"unknown flag", "user.note", 3, 64},
      Row{"big", "user.big", 3'000, 0},
      Row{"too big for one block", "user.bigger", 60'000, 0},
      Row{"too big", "user.biggest", 65'537, 0},
      Row{"trusted", "trusted.note", 3, 0},
      Row{"security", "security.note", 3, 0},
      Row{"no capability", "security.capability", 3, 0},
      Row{"system", "system.bogus", 3, 0},
      Row{"unknown space", "bogus.note", 3, 0},
      Row{"no space", "note", 3, 0},
      Row{"no name", "", 3, 0},
      Row{"half a name", "user.", 3, 0},
      Row{"longest name", "user." + std::string(250, 'n'), 3, 0},
      Row{"longer name", "user." + std::string(251, 'n'), 3, 0},
      Row{"bad ACL", kAclName, 3, 0},
      Row{"bad default ACL", kDefaultAclName, 3, 0},
  };
  constexpr std::array kFiles{"none",   "dangling",    "link",  "secret",   "others",
                              "shared", "closed/file", "file",  "readonly", "directory",
                              "sticky", "fifo",        "socket"};
  for (const auto& [group, name, size, flags] : rows) {
    for (const char* file : kFiles) {
      table.push_back(
          {fmt::format("xattr: {}", group), fmt::format("set, {}", file), [=](const Path& tree) {
             const std::string value(size, 'v');
             return answer([&] {
               return ::lsetxattr((tree / file).c_str(), name.c_str(), value.data(), size, flags);
             });
           }});
    }
    for (const char* file : {"none", "link", "others", "shared", "readonly", "directory", "fifo"}) {
      table.push_back(
          {fmt::format("xattr: {}", group), fmt::format("remove, {}", file), [=](const Path& tree) {
             return answer([&] { return ::lremovexattr((tree / file).c_str(), name.c_str()); });
           }});
    }
  }
  for (const char* name : {kAclName, kDefaultAclName}) {
    for (const char* file : {"secret", "shared", "file", "suid", "sgid", "directory", "handing",
                             "inheriting", "link", "fifo", "none"}) {
      const std::string acl = acl_for_reader(kForeign);
      table.push_back({fmt::format("set {}", name), file, [=](const Path& tree) {
                         return answer([&] {
                           return ::setxattr((tree / file).c_str(), name, acl.data(), acl.size(),
                                             0);
                         });
                       }});
      table.push_back(
          {fmt::format("set {}", name), fmt::format("remove, {}", file), [=](const Path& tree) {
             ::setxattr((tree / file).c_str(), name, acl.data(), acl.size(), 0);
             return answer([&] { return ::removexattr((tree / file).c_str(), name); });
           }});
      table.push_back(
          {fmt::format("set {}", name), fmt::format("then chmod, {}", file), [=](const Path& tree) {
             ::setxattr((tree / file).c_str(), name, acl.data(), acl.size(), 0);
             return answer([&] { return ::chmod((tree / file).c_str(), 0675); });
           }});
    }
  }
}

// chattr's requests. They go with a file that can then be neither written nor removed, so they are
// taken back.
void add_flags(Changes& table) {
  for (const int flag : {FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, FS_NOATIME_FL, 1 << 30}) {
    for (const char* file : {"file", "directory", "others", "fifo"}) {
      table.push_back(
          {fmt::format("flag {:#x}", flag), file, [=](const Path& tree) {
             return opened(tree / file, O_RDONLY, [&](int fd) {
               int before = 0;
               std::string said = answer([&] { return ::ioctl(fd, FS_IOC_GETFLAGS, &before); });
               int flags = before | flag;
               said += answer([&] { return ::ioctl(fd, FS_IOC_SETFLAGS, &flags); });
               int now = 0;
               said += answer([&] { return ::ioctl(fd, FS_IOC_GETFLAGS, &now); });
               said += fmt::format(" {:#x}: ", now ^ before);
               said += opened(tree / file, O_WRONLY, [](int) { return "opened"; });
               said += opened(tree / file, O_WRONLY | O_APPEND, [](int) { return " appended"; });
               said += answer([&] { return ::chmod((tree / file).c_str(), 0755); });
               said +=
                   answer([&] { return ::rename((tree / file).c_str(), (tree / "x").c_str()); });
               said +=
                   answer([&] { return ::rename((tree / "x").c_str(), (tree / file).c_str()); });
               fsxattr more{};
               said += answer([&] { return ::ioctl(fd, FS_IOC_FSGETXATTR, &more); });
               said += fmt::format(" {:#x} ", more.fsx_xflags & ~FS_XFLAG_HASATTR);
               said += answer([&] { return ::ioctl(fd, FS_IOC_FSSETXATTR, &more); });
               return said + answer([&] { return ::ioctl(fd, FS_IOC_SETFLAGS, &before); });
             });
           }});
    }
  }
}

}  // namespace

void add_attribute_changes(Changes& table) {
  add_modes(table);
  add_owners(table);
  add_times(table);
  add_xattrs(table);
  add_flags(table);
}

}  // namespace mmapdir::test
