// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <tuple>

#include "change_operations.h"
#include "parity_answer.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// Another name in the same directory, of a length that it may have.
Path renamed(const char* prefix, const Path& path) {
  return path.parent_path() /
         fmt::format("{}-{:x}", prefix, std::hash<std::string>{}(path.filename()));
}

void add_making(Changes& table) {
  change_each_path(table, "mkdir", [](const Path& path) {
    return answer([&] { return ::mkdir(path.c_str(), 0777); });
  });
  change_each_path(table, "symlink", [](const Path& path) {
    return answer([&] { return ::symlink("target", path.c_str()); });
  });
  using Row = std::tuple<const char*, mode_t, dev_t>;
  for (const auto& [name, type, device] : {
           Row{"mknod of a regular file", S_IFREG, 0},
           Row{"mknod of no type", 0, 0},
           Row{"mknod of a fifo", S_IFIFO, 0},
           Row{"mknod of a socket", S_IFSOCK, 0},
           Row{"mknod of a character device", S_IFCHR, makedev(1, 3)},
           Row{"mknod of a block device", S_IFBLK, makedev(7, 300)},
           Row{"mknod of a directory", S_IFDIR, 0},
           Row{"mknod of a link", S_IFLNK, 0},
       }) {
    change_each_path(table, name, [type, device](const Path& path) {
      return answer([&] { return ::mknod(path.c_str(), type | 0666, device); });
    });
  }
  for (const std::size_t length : {0U, 1U, 255U, 4095U, 4096U}) {
    table.push_back({"symlinks by length", fmt::format("symlink to {} bytes", length),
                     [length](const Path& tree) {
                       const std::string target(length, 't');
                       const std::string name = fmt::format("link-{}", length);
                       return answer(
                           [&] { return ::symlink(target.c_str(), (tree / name).c_str()); });
                     }});
  }
}

void add_removing(Changes& table) {
  change_each_path(table, "unlink",
                   [](const Path& path) { return answer([&] { return ::unlink(path.c_str()); }); });
  change_each_path(table, "rmdir",
                   [](const Path& path) { return answer([&] { return ::rmdir(path.c_str()); }); });
}

void add_linking(Changes& table) {
  change_each_path(table, "link to", [](const Path& path) {
    const Path made = renamed("linked", path);
    return answer([&] { return ::link(path.c_str(), made.c_str()); });
  });
  for (const std::string& path : change_paths()) {
    table.push_back({"link from file", shown(path), [path](const Path& tree) {
                       return answer(
                           [&] { return ::link((tree / "file").c_str(), (tree / path).c_str()); });
                     }});
  }
  table.push_back({"link to the target of a link", "AT_SYMLINK_FOLLOW", [](const Path& tree) {
                     return answer([&] {
                       return ::linkat(AT_FDCWD, (tree / "link").c_str(), AT_FDCWD,
                                       (tree / "new").c_str(), AT_SYMLINK_FOLLOW);
                     });
                   }});
}

// Those that change nothing come first, those that do take other files each.
// clang-format off
constexpr std::array<std::pair<const char*, const char*>, 44> kRenames{{
    {"", "new"}, {".", "new"}, {"none", "new"}, {"none/x", "new"}, {"file/x", "new"},
    {"file/", "new"}, {"file", "new/"}, {"file", "none/new"}, {"file", "others/new"},
    {"file", "closed/new"}, {"file", "locked/new"}, {"closed/file", "new"}, {"locked/file", "new"},
    {"locked/file", "locked/file"}, {"file", "locked/file"}, {"file", "directory"},
    {"directory", "file"}, {"directory", "full"}, {"directory", "directory/sub"},
    {"directory", "directory/new"}, {"directory/sub", "directory"}, {"directory/inner", "directory"},
    {"hollow", "."}, {"file", "loop/new"}, {"loop/x", "new"}, {"file", "file"}, {"twin", "twin-too"},
    {"file", "link/"}, {"sticky/theirs", "new"}, {"file", "sticky/theirs"}, {"sticky/hollow", "new"},
    {"directory", "link-up"}, {"locked/hollow", "locked/other"}, {"locked/hollow", "moved-hollow"},
    {"sticky/mine", "sticky/renamed"}, {"file", "new"}, {"empty", "secret"}, {"link", "new-link"},
    {"hollow", "vacant"}, {"full", "directory/full"}, {"fifo", "program"}, {"socket", "dangling"},
    {"readonly", "handing/readonly"}, {"directory/", "new-directory/"},
}};
// clang-format on

void add_renaming(Changes& table) {
  for (const unsigned flags :
       {0U, unsigned{RENAME_NOREPLACE}, unsigned{RENAME_EXCHANGE}, unsigned{RENAME_WHITEOUT},
        unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE}, unsigned{RENAME_NOREPLACE | RENAME_WHITEOUT},
        0x80U}) {
    for (const auto& [from, to] : kRenames) {
      table.push_back({fmt::format("rename with flags {}", flags),
                       fmt::format("{} to {}", from, to), [=](const Path& tree) {
                         return answer([&] {
                           return ::renameat2(AT_FDCWD, (tree / from).c_str(), AT_FDCWD,
                                              (tree / to).c_str(), flags);
                         });
                       }});
    }
  }
  change_each_path(table, "rename to", [](const Path& path) {
    const Path made = renamed("renamed", path);
    return answer([&] { return ::rename(path.c_str(), made.c_str()); });
  });
}

void add_names(Changes& table) {
  for (const std::string& name :
       {std::string("\x01\xff\n\t\\"), std::string(R"(back\slash "quoted")"), std::string("\xc3"),
        std::string(255, '\xff'), std::string("*?[]{}$;"), std::string("...")}) {
    table.push_back({"names", fmt::format("{} bytes", name.size()), [name](const Path& tree) {
                       return opened(tree / name, O_WRONLY | O_CREAT | O_EXCL, [](int fd) {
                         return answer([&] { return ::write(fd, "x", 1); });
                       });
                     }});
  }
}

}  // namespace

// clang-format off
const std::vector<std::string>& change_paths() {
  static const std::vector<std::string> paths{
      "", "file/", "file/x", "file/..", "empty/.", "none/", "none/x", "link/", "link/x",
      "dangling/", "loop", "loop/x", "fifo/", "fifo/x", "closed/x", "closed/file",
      std::string(256, 'n'), "directory/" + std::string(256, 'n'), std::string(5000, '/') + "file",
      "locked/new", "locked/file", "locked/hollow", "sticky/theirs", "sticky/hollow", "sticky/mine",
      "secret", "others", "shared", "readonly", "full", "directory/sub", "directory", "hollow/",
      "link-up/", "vacant", "link-up", "link", "dangling", "fifo", "socket", "file", "empty", "program",
      "none", std::string(255, 'n'), "directory/.", "."};
  return paths;
}
// clang-format on

void change_each_path(Changes& table, const std::string& name,
                      const std::function<std::string(const Path&)>& change) {
  for (const std::string& path : change_paths()) {
    table.push_back(
        {name, shown(path), [change, path](const Path& tree) { return change(tree / path); }});
  }
}

void add_name_changes(Changes& table) {
  add_making(table);
  add_removing(table);
  add_linking(table);
  add_renaming(table);
  add_names(table);
}

}  // namespace mmapdir::test
