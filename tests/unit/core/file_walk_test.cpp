// SPDX-License-Identifier: MIT
#include "mmapdir/file_walk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "forked_child.h"
#include "scratch.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;

class FileWalkTest {
 protected:
  void put(const std::string& path) const {
    fs::create_directories((directory_.path() / path).parent_path());
    test::put_file(directory_.path() / path, "text");
  }

  static std::vector<PathPattern> patterns(std::initializer_list<std::string_view> texts) {
    std::vector<PathPattern> compiled;
    for (const auto text : texts) {
      auto pattern = PathPattern::compile(text);
      REQUIRE(pattern);
      compiled.push_back(*pattern);
    }
    return compiled;
  }

  FileWalk walk(std::initializer_list<std::string_view> texts) const {
    return {root_.get(), patterns(texts)};
  }

  static std::vector<std::string> rest_of(FileWalk& walk) {
    std::vector<std::string> paths;
    while (const auto file = walk.next()) {
      paths.push_back(file->path.string());
    }
    return paths;
  }

  std::vector<std::string> found(std::initializer_list<std::string_view> texts) const {
    auto files = walk(texts);
    auto paths = rest_of(files);
    CHECK(files.failures().empty());
    return paths;
  }

  int root() const { return root_.get(); }
  const fs::path& path() const { return directory_.path(); }

 private:
  test::ScratchDirectory directory_;
  UniqueFd root_ = test::open_file(directory_.path(), O_PATH | O_DIRECTORY);
};

using Paths = std::vector<std::string>;

TEST_CASE_METHOD(FileWalkTest, "a walk visits a directory's files by name, then its directories") {
  for (const auto* const name : {"d/y", "d/x", "b", "a", "c/e/z", "c/w"}) {
    put(name);
  }
  CHECK(found({"*"}) == Paths{"a", "b", "c/w", "c/e/z", "d/x", "d/y"});
}

TEST_CASE_METHOD(FileWalkTest, "a walk finds what matches any pattern, and says which came first") {
  for (const auto* const name : {"a.vec", "b.idx", "c.txt", "d/e.vec"}) {
    put(name);
  }
  auto files = walk({"/d/**", "*.vec", "*.idx"});
  std::vector<std::size_t> which;
  while (const auto file = files.next()) {
    which.push_back(file->pattern);
  }
  CHECK(which == std::vector<std::size_t>{1, 2, 0});
  CHECK(files.unmatched().empty());
}

TEST_CASE_METHOD(FileWalkTest, "patterns that matched nothing are told") {
  put("a.vec");
  auto files = walk({"*.vec", "*.idx", "a.*"});
  rest_of(files);
  CHECK(files.unmatched() == Paths{"*.idx"});
}

TEST_CASE_METHOD(FileWalkTest, "a walk meets regular files only, and follows no symbolic link") {
  put("real/file");
  fs::create_symlink("file", path() / "real/link");
  fs::create_directory_symlink("real", path() / "linked");
  fs::create_directory_symlink("/etc", path() / "outside");
  test::must(::mkfifo((path() / "fifo").c_str(), 0600), "mkfifo");
  CHECK(found({"**"}) == Paths{"real/file"});
}

TEST_CASE_METHOD(FileWalkTest, "files in the making are left out") {
  put("a");
  put(".mmapdir-tmp-0123456789abcdef");
  CHECK(found({"*"}) == Paths{"a"});
}

TEST_CASE_METHOD(FileWalkTest, "directories in which nothing can match aren't listed") {
  put("a/b/file");
  put("other/file");
  fs::permissions(path(), fs::perms::all);
  fs::permissions(path() / "other", fs::perms::none);
  const test::ForkedChild child([&] {
    if (::setresuid(65534, 65534, 65534) != 0) {
      return false;
    }
    auto narrow = walk({"a/**"});
    auto wide = walk({"**"});
    return rest_of(narrow) == Paths{"a/b/file"} && narrow.failures().empty() &&
           rest_of(wide) == Paths{"a/b/file"} && wide.failures().size() == 1 &&
           wide.failures().front().path.string() == "other" &&
           wide.failures().front().error.code() == std::errc::permission_denied;
  });
  if (::geteuid() != 0) {
    test::skip("only root can become somebody else");
  }
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(FileWalkTest, "a directory removed or replaced during the walk is no failure") {
  put("a");
  put("b/x");
  put("c/y");
  put("d/z");
  auto files = walk({"*"});
  REQUIRE(files.next());
  fs::remove_all(path() / "b");
  fs::rename(path() / "c", path() / "c2");
  fs::create_directory_symlink("/etc", path() / "c");
  CHECK(rest_of(files) == Paths{"d/z"});
  CHECK(files.failures().empty());
}

TEST_CASE_METHOD(FileWalkTest, "another file system in the tree isn't entered") {
  put("a");
  put("mnt/hidden");
  if (::geteuid() != 0) {
    test::skip("only root can mount");
  }
  const test::ForkedChild child([&] {  // in a mount namespace that goes with it
    const bool is_mounted = ::unshare(CLONE_NEWNS) == 0 &&
                            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                            ::mount("none", (path() / "mnt").c_str(), "tmpfs", 0, nullptr) == 0;
    test::put_file(path() / "mnt/file", "text");
    const auto root = test::open_file(path(), O_PATH | O_DIRECTORY);
    FileWalk files(root.get(), patterns({"*"}));
    return is_mounted && rest_of(files) == Paths{"a"} && files.failures().empty() &&
           open_found_file(root.get(), test::relative("mnt/file")).error().code() ==
               std::errc::cross_device_link;
  });
  CHECK(child.succeeded());
}

TEST_CASE_METHOD(FileWalkTest, "a tree deeper than PATH_MAX is walked, holding one descriptor") {
  std::string deep;
  UniqueFd directory = test::open_file(path(), O_PATH | O_DIRECTORY);
  for (int level = 0; level < 30; ++level) {
    const std::string name(200, 'd');
    test::must(::mkdirat(directory.get(), name.c_str(), 0700), "mkdir");
    directory =
        UniqueFd(test::must(::openat(directory.get(), name.c_str(), O_PATH | O_DIRECTORY), "open"));
    deep += name + "/";
  }
  test::must(::mknodat(directory.get(), "file", S_IFREG | 0600, 0), "mknod");
  directory.reset();
  const auto before = test::open_descriptors_in(path());
  auto files = walk({"file"});
  const auto file = files.next();
  REQUIRE(file.has_value());
  const auto found = file.value_or(FoundFile{}).path;
  CHECK(found.string() == deep + "file");
  CHECK(test::open_descriptors_in(path()) == before);
  const auto fd = open_found_file(root(), found);
  REQUIRE(fd);
  const UniqueFd opened(*fd);
}

TEST_CASE_METHOD(FileWalkTest, "all files are found in the patterns' order") {
  for (const auto* const name : {"a.txt", "b.vec", "c.txt", "d/e.vec"}) {
    put(name);
  }
  const auto files = find_files(root(), patterns({"*.vec", "*.txt"}));
  REQUIRE(files);
  Paths paths;
  for (const auto& file : files->files) {
    paths.push_back(file.path.string());
  }
  CHECK(paths == Paths{"b.vec", "d/e.vec", "a.txt", "c.txt"});
}

TEST_CASE_METHOD(FileWalkTest, "finding nothing for a pattern is an error that names it") {
  put("a.vec");
  const auto none = find_files(root(), patterns({"*.vec", "*.idx"}));
  REQUIRE_FALSE(none);
  CHECK(none.error().message() == "find a file for pattern '*.idx': No such file or directory");
  CHECK(find_files(-1, patterns({"*"})).error().code() == std::errc::bad_file_descriptor);
}

TEST_CASE_METHOD(FileWalkTest, "a found file that something else replaced isn't opened") {
  put("a");
  put("d/x");
  fs::create_symlink("a", path() / "link");
  fs::create_directory_symlink("d", path() / "dlink");
  test::must(::mkfifo((path() / "fifo").c_str(), 0600), "mkfifo");
  const auto error_of = [&](std::string_view name) {
    return open_found_file(root(), test::relative(name)).error().code();
  };
  CHECK(error_of("link") == std::errc::too_many_symbolic_link_levels);
  CHECK(error_of("dlink/x") == std::errc::too_many_symbolic_link_levels);
  CHECK(error_of("fifo") == std::errc::operation_not_supported);
  CHECK(error_of("d") == std::errc::is_a_directory);
  CHECK(error_of("none") == std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace mmapdir
