// SPDX-License-Identifier: MIT
// Each call of the daemon's on the source fails, made to by strace: the program gets that very
// error, and nothing has changed.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <map>

#include "parity_answer.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

constexpr const char* kChangingCalls =
    "fsync,fdatasync,?renameat,?renameat2,mkdirat,mknodat,symlinkat,linkat,unlinkat,ftruncate,"
    "truncate,fallocate,?fchmodat,?fchmodat2,fchownat,utimensat,setxattr,removexattr,pwrite64,"
    "pwritev2,copy_file_range";

std::vector<std::string> failing(const std::string& calls, const std::string& error) {
  return {"-e", "trace=" + calls, "-e", "inject=" + calls + ":error=" + error};
}

struct Tree {
  // One thread: strace counts the calls of each for itself.
  explicit Tree(const ReadPath& path)
      : mount(prepared(source), {.options = with_option(path, "--threads=1")}) {}

  static const Path& prepared(const TemporaryDirectory& source) {
    write_file(source / "file", "content");
    write_file(source / "other", "other content");
    write_file(source / "victim", "x");
    std::filesystem::create_directory(source / "directory");
    must(::setxattr((source / "file").c_str(), "user.old", "value", 5, 0), "setxattr");
    return source.path();
  }

  // Everything a failed change could have changed, but for what reading changes.
  std::string shown() const {
    std::string all;
    for (const std::string& name : names_in(source.path())) {
      all += name + ": " + attributes(source / name) + "\n";
      all += std::filesystem::is_regular_file(source / name) ? read_file(source / name) : "";
    }
    return all;
  }

  TemporaryDirectory source;
  Mount mount;
};

struct Step {
  std::string name;
  std::function<int()> call;
};

// Programs' ways to change something, each of which works on the tree as the ones before left it.
class Steps {
 public:
  explicit Steps(Path root) : root_(std::move(root)) {}

  std::vector<Step> all() const {
    return {
        Step{.name = "fsync", .call = [this] { return ::fsync(file_.get()); }},
        Step{.name = "fdatasync", .call = [this] { return ::fdatasync(file_.get()); }},
        Step{.name = "fsync of a directory", .call = [this] { return ::fsync(directory_.get()); }},
        Step{.name = "ftruncate", .call = [this] { return ::ftruncate(file_.get(), 3); }},
        Step{.name = "truncate", .call = [this] { return ::truncate(at("file"), 2); }},
        Step{.name = "fallocate",
             .call = [this] { return ::fallocate(file_.get(), 0, 0, 100'000); }},
        Step{.name = "copy_file_range",
             .call =
                 [this] {
                   const ssize_t n =
                       ::copy_file_range(other_.get(), nullptr, file_.get(), nullptr, 5, 0);
                   return n < 0 ? -1 : 0;
                 }},
        Step{.name = "chmod", .call = [this] { return ::chmod(at("file"), 0600); }},
        Step{.name = "chown", .call = [this] { return ::chown(at("file"), 12, 34); }},
        Step{.name = "utimensat",
             .call = [this] { return ::utimensat(AT_FDCWD, at("file"), nullptr, 0); }},
        Step{.name = "setxattr",
             .call = [this] { return ::setxattr(at("file"), "user.new", "value", 5, 0); }},
        Step{.name = "removexattr",
             .call = [this] { return ::removexattr(at("file"), "user.old"); }},
        Step{.name = "mkdir", .call = [this] { return ::mkdir(at("made"), 0755); }},
        Step{.name = "mkfifo", .call = [this] { return ::mkfifo(at("fifo"), 0644); }},
        Step{.name = "symlink", .call = [this] { return ::symlink("x", at("symlink")); }},
        Step{.name = "link", .call = [this] { return ::link(at("file"), at("linked")); }},
        Step{.name = "unlink", .call = [this] { return ::unlink(at("victim")); }},
        Step{.name = "rmdir", .call = [this] { return ::rmdir(at("directory")); }},
        Step{.name = "rename", .call = [this] { return ::rename(at("other"), at("renamed")); }},
    };
  }

  int file() const { return file_.get(); }

 private:
  const char* at(const std::string& name) const {
    return paths_.try_emplace(name, (root_ / name).string()).first->second.c_str();
  }

  Path root_;
  UniqueFd file_ = open_fd(root_ / "file", O_RDWR);
  UniqueFd other_ = open_fd(root_ / "other", O_RDONLY);
  UniqueFd directory_ = open_fd(root_, O_RDONLY | O_DIRECTORY);
  mutable std::map<std::string, std::string> paths_{};
};

TEST_CASE("An error of the source reaches the program, and nothing has changed", "[faults]") {
  require_strace();
  Tree tree(each_read_path());
  const Steps steps(tree.mount.root());
  const std::string before = tree.shown();
  for (const std::string error : {"EIO", "ENOSPC", "EDQUOT", "EROFS"}) {
    Strace strace(tree.mount.daemon(), failing(kChangingCalls, error));
    for (const Step& step : steps.all()) {
      CAPTURE(step.name);
      CHECK(answer(step.call) == error);
    }
    CHECK(strace.stop().size() >= steps.all().size());
    CHECK(tree.shown() == before);
  }
  for (const Step& step : steps.all()) {
    CAPTURE(step.name);
    CHECK(answer(step.call) == "0");
  }
}

// In passthrough the kernel writes without the daemon; there the full source is the test.
TEST_CASE("A write that failed isn't acknowledged, and the bytes before it are kept", "[faults]") {
  require_strace();
  Tree tree(each_read_path());
  if (tree.mount.ready_line().contains("passthrough")) {
    return;
  }
  const UniqueFd fd = open_fd(tree.mount / "file", O_RDWR);
  for (const std::string error : {"EIO", "ENOSPC", "EDQUOT", "EFBIG"}) {
    Strace strace(tree.mount.daemon(), failing("pwritev2", error));
    CHECK(answer([&] { return ::pwrite(fd.get(), "failed", 6, 0); }) == error);
    CHECK(answer([&] { return ::pwrite(fd.get(), "failed", 6, 100'000); }) == error);
    CHECK(strace.stop().size() == 2);
    CHECK(read_file(tree.source / "file") == "content");
    CHECK(read_at(fd.get(), 100, 0) == "content");
    CHECK(read_file(tree.mount / "file") == "content");
    CHECK(std::filesystem::file_size(tree.mount / "file") == 7);
  }
  // The source takes some of the bytes, and no more.
  const std::string content = pattern(3'000'000, 1);
  Strace strace(tree.mount.daemon(),
                {"-e", "trace=pwritev2", "-e", "inject=pwritev2:error=ENOSPC:when=2+"});
  const ssize_t done = ::pwrite(fd.get(), content.data(), content.size(), 0);
  CHECK(done > 0);
  CHECK(done < 3'000'000);
  (void)strace.stop();
  const auto kept = content.substr(0, static_cast<std::size_t>(done));
  CHECK(difference(read_file(tree.source / "file"), kept).empty());
  CHECK(difference(read_file(tree.mount / "file"), kept).empty());
}

TEST_CASE("What the source reports as late as at close, the program's close reports", "[faults]") {
  require_strace();
  Tree tree(each_read_path());
  for (const std::string error : {"EIO", "ENOSPC", "EDQUOT"}) {
    UniqueFd fd = open_fd(tree.mount / "file", O_RDWR);
    write_at(fd.get(), "content", 0);
    Strace strace(tree.mount.daemon(), failing("close", error));
    CHECK(answer([&] { return ::close(fd.release()); }) == error);
    (void)strace.stop();
    CHECK(read_file(tree.mount / "file") == "content");
  }
}

TEST_CASE("A file that can't be opened or made says why, and isn't there", "[faults]") {
  require_strace();
  Tree tree(each_read_path());
  const std::string before = tree.shown();
  for (const std::string error :
       {"EMFILE", "ENFILE", "EIO", "ENOSPC", "EDQUOT", "ENOMEM", "ESTALE", "ETXTBSY"}) {
    Strace strace(tree.mount.daemon(), failing("openat", error));
    for (const int flags : {O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC}) {
      CAPTURE(flags);
      CHECK(opened(tree.mount / "file", flags, [](int) { return "opened"; }) == "open: " + error);
    }
    CHECK(listing_answer(tree.mount / "directory") == error);
    CHECK(opened(tree.mount / "new", O_WRONLY | O_CREAT, [](int) { return "opened"; }) ==
          "open: " + error);
    CHECK(opened(tree.mount.root(), O_RDWR | O_TMPFILE, [](int) { return "opened"; }) ==
          "open: " + error);
    (void)strace.stop();
    CHECK(tree.shown() == before);
  }
  CHECK(read_file(tree.mount / "file") == "content");
  CHECK(opened(tree.mount / "new", O_WRONLY | O_CREAT, [](int) { return "opened"; }) == "opened");
}

}  // namespace
}  // namespace mmapdir::test
