// SPDX-License-Identifier: MIT
#include "parity_operations.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "parity_answer.h"
#include "support/files.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// clang-format off
const std::vector<std::string>& paths() {
  static const std::vector<std::string> all{
      "", ".", "file", "file/", "file/x", "file/..", "empty", "secret", "acl", "program",
      "directory", "directory/", "directory/.", "directory/../file", "directory/inner",
      "directory//inner", "none", "none/", "none/x",
      "link", "link/", "link/x", "link-up", "link-up/", "link-up/inner", "dangling", "dangling/",
      "loop", "loop/x", "fifo", "fifo/", "socket", "null", "null/x",
      "closed", "closed/file", "closed/none", "passable", "passable/file", "passable/none",
      "listable", "listable/file",
      std::string(255, 'n'), std::string(256, 'n'), std::string(2000, 'n'),
      "directory/" + std::string(256, 'n'), std::string(5000, '/') + "file"};
  return all;
}
// clang-format on

void for_each_path(std::vector<Operation>& table, const std::string& name,
                   const std::function<std::string(const Path&)>& ask, bool writes = false) {
  for (const std::string& path : paths()) {
    table.push_back({fmt::format("{} \"{}\"", name, shown(path)),
                     [ask, path](const Path& root) { return ask(root / path); }, writes});
  }
}

void add_opens(std::vector<Operation>& table) {
  using Row = std::tuple<const char*, int, bool>;
  for (const auto& [name, flags, writes] : {
           Row{"O_RDONLY", O_RDONLY, false},
           Row{"O_WRONLY", O_WRONLY, true},
           Row{"O_RDWR", O_RDWR, true},
           Row{"O_TRUNC", O_RDONLY | O_TRUNC, true},
           Row{"O_CREAT", O_RDONLY | O_CREAT, true},
           Row{"O_CREAT|O_EXCL", O_WRONLY | O_CREAT | O_EXCL, true},
           Row{"O_DIRECTORY", O_RDONLY | O_DIRECTORY, false},
           Row{"O_NOFOLLOW", O_RDONLY | O_NOFOLLOW, false},
           Row{"O_NOATIME", O_RDONLY | O_NOATIME, false},
           Row{"O_PATH", O_PATH, false},
           Row{"O_PATH|O_NOFOLLOW", O_PATH | O_NOFOLLOW, false},
           Row{"O_PATH|O_DIRECTORY", O_PATH | O_DIRECTORY, false},
       }) {
    for_each_path(
        table, fmt::format("open {}", name),
        [flags](const Path& path) { return opened(path, flags, [](int) { return "opened"; }); },
        writes);
  }
}

std::string stat_answer(const Path& path, int flags) {
  struct stat found{};
  if (::fstatat(AT_FDCWD, path.c_str(), &found, flags) != 0) {
    return errno_name(errno);
  }
  return fmt::format("ino={} mode={:o} nlink={} owner={}:{} rdev={} size={} blocks={} mtime={}.{}",
                     found.st_ino, found.st_mode, found.st_nlink, found.st_uid, found.st_gid,
                     found.st_rdev, found.st_size, found.st_blocks, found.st_mtim.tv_sec,
                     found.st_mtim.tv_nsec);
}

std::string list_answer(const Path& path) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) {
    return errno_name(errno);
  }
  std::vector<std::string> entries;
  // The child that asks has one thread.
  while (const dirent* entry = ::readdir(directory)) {  // NOLINT(concurrency-mt-unsafe)
    entries.push_back(fmt::format("{} {}", static_cast<const char*>(entry->d_name), entry->d_type));
  }
  ::closedir(directory);
  std::ranges::sort(entries);
  return fmt::format("{}", fmt::join(entries, ", "));
}

std::string execute_answer(const Path& path) {
  std::string name = path;
  const std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  if (const int error =
          ::posix_spawn(&child, path.c_str(), nullptr, nullptr, arguments.data(), environ)) {
    return errno_name(error);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child ? fmt::format("status {}", WEXITSTATUS(status))
                                               : errno_name(errno);
}

void add_queries(std::vector<Operation>& table) {
  for_each_path(table, "stat", [](const Path& path) { return stat_answer(path, 0); });
  for_each_path(table, "lstat",
                [](const Path& path) { return stat_answer(path, AT_SYMLINK_NOFOLLOW); });
  for_each_path(table, "read", [](const Path& path) { return read_answer(path, 100, 0); });
  for_each_path(table, "list", list_answer);
  for_each_path(table, "execute", execute_answer);
  for_each_path(table, "chdir", [](const Path& path) {
    // By descriptor: an ordinary user may have no way to the working directory by its path.
    const UniqueFd before = open_fd(".", O_PATH | O_DIRECTORY);
    const std::string result = answer([&] { return ::chdir(path.c_str()); });
    must(::fchdir(before.get()), "fchdir");
    return result;
  });
  for_each_path(table, "readlink", [](const Path& path) {
    std::string target(100, '\0');
    const ssize_t got = ::readlink(path.c_str(), target.data(), target.size());
    return got < 0 ? errno_name(errno) : target.substr(0, static_cast<std::size_t>(got));
  });
  for (const int mode : {F_OK, R_OK, W_OK, X_OK, R_OK | X_OK}) {
    for_each_path(
        table, fmt::format("access {}", mode),
        [mode](const Path& path) { return answer([&] { return ::access(path.c_str(), mode); }); },
        (mode & W_OK) != 0);
  }
}

}  // namespace

std::vector<Operation> parity_operations() {
  std::vector<Operation> table;
  add_opens(table);
  add_queries(table);
  add_data_operations(table);
  return table;
}

}  // namespace mmapdir::test
