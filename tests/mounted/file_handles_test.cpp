// SPDX-License-Identifier: MIT
// File handles of the mount (name_to_handle_at), as an NFS server and backup programs keep them: a
// handle leads to its file for as long as that is there, or nowhere, but never to another file.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <memory>
#include <string>

#include "parity_answer.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

class Handle {
 public:
  explicit Handle(const Path& path) {
    int mount = 0;
    get()->handle_bytes = MAX_HANDLE_SZ;
    must(::name_to_handle_at(AT_FDCWD, path.c_str(), get(), &mount, 0), "name_to_handle_at");
  }

  // The errno, or what it leads to: a file's content, a directory's names.
  std::string leads_to(const Path& root) const {
    const UniqueFd mount = open_fd(root, O_RDONLY | O_DIRECTORY);
    auto copy = *this;
    const UniqueFd fd(::open_by_handle_at(mount.get(), copy.get(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
      return errno_name(errno);
    }
    struct stat found{};
    must(::fstat(fd.get(), &found), "fstat");
    if (!S_ISDIR(found.st_mode)) {
      return read_at(fd.get(), 1'000, 0);
    }
    return fmt::format("{}", fmt::join(names_in(fmt::format("/proc/self/fd/{}", fd.get())), " "));
  }

  bool operator==(const Handle& other) const { return storage_ == other.storage_; }

 private:
  file_handle* get() { return reinterpret_cast<file_handle*>(storage_.data()); }

  alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> storage_{};
};

class Tree {
 public:
  explicit Tree(std::vector<std::string> options) : options_(std::move(options)) {
    std::filesystem::create_directories(source_ / "a/b");
    std::filesystem::create_directories(source_ / "c");
    write_file(source_ / "a/b/file", "content");
    write_file(source_ / "other", "another");
    mount();
  }

  void mount() {
    mount_ = std::make_unique<Mount>(source_.path(), MountSetup{.options = options_});
  }
  void unmount() { mount_.reset(); }

  // The kernel gives up what it knows of names and inodes here.
  void clear_caches() {
    const UniqueFd control = open_fd(here(".mmapdirfs/control"), O_WRONLY);
    const std::string command = "clear-cache\n";
    must(::write(control.get(), command.data(), command.size()), "write");
  }

  Path here(std::string_view name = "") const { return mount_->root() / name; }
  Path there(std::string_view name) const { return source_ / name; }
  std::string to(const Handle& handle) const { return handle.leads_to(mount_->root()); }
  bool is_watched() const { return options_.back() == "--cache=auto"; }

 private:
  std::vector<std::string> options_;
  TemporaryDirectory source_;
  std::unique_ptr<Mount> mount_;
};

std::vector<std::string> each_setup() {
  const std::string path = GENERATE("passthrough", "mapped", "plain");
  const std::string cache = GENERATE("auto", "never", "always");
  if (path == "passthrough") {
    require_passthrough();
  }
  return {"--read-path=" + path, "--cache=" + cache};
}

TEST_CASE("A handle stays good over renames and after the kernel has forgotten the file",
          "[file_handles]") {
  require_root();
  Tree tree(each_setup());
  const bool on_source = GENERATE(true, false);
  CAPTURE(on_source);
  const auto at = [&](const char* name) { return on_source ? tree.there(name) : tree.here(name); };
  const Handle file(tree.here("a/b/file"));
  const Handle directory(tree.here("a/b"));
  const Handle root(tree.here());
  CHECK(tree.to(file) == "content");

  std::filesystem::rename(at("a/b/file"), at("c/renamed"));
  CHECK(tree.to(file) == "content");
  tree.clear_caches();
  CHECK(tree.to(file) == "content");
  std::filesystem::rename(at("c/renamed"), at("a/again"));
  CHECK(tree.to(file) == "content");

  std::filesystem::rename(at("a/b"), at("c/moved"));
  tree.clear_caches();
  write_file(at("c/moved/new"), "");
  CHECK(tree.to(directory) == "new");
  tree.clear_caches();
  std::filesystem::rename(at("c"), at("d"));
  CHECK(tree.to(directory) == "new");
  CHECK(tree.to(root) == "a d other");

  // Found by its name again it has the same one.
  CHECK(eventually([&] {
    tree.clear_caches();  // which goes on after its answer, and is all that --cache=always minds
    // A directory found under a new name just then is ESTALE (__d_unalias, fs/dcache.c).
    return ::access(tree.here("a/again").c_str(), F_OK) == 0 &&
           ::access(tree.here("d/moved").c_str(), F_OK) == 0;
  }));
  CHECK(Handle(tree.here("a/again")) == file);
  CHECK(Handle(tree.here("d/moved")) == directory);
}

TEST_CASE("The handle of a file that was deleted or replaced leads nowhere", "[file_handles]") {
  require_root();
  Tree tree(each_setup());
  const bool on_source = GENERATE(true, false);
  CAPTURE(on_source);
  const auto at = [&](const char* name) { return on_source ? tree.there(name) : tree.here(name); };
  const Handle file(tree.here("a/b/file"));
  const Handle other(tree.here("other"));
  const Handle directory(tree.here("c"));
  std::filesystem::remove(at("a/b/file"));
  write_file(at("a/b/file"), "new");  // on the same inode, as often as not
  write_file(at("new"), "replacement");
  std::filesystem::rename(at("new"), at("other"));
  std::filesystem::remove(at("c"));
  tree.clear_caches();
  CHECK(eventually([&] { return tree.to(file) == "ESTALE"; }));
  CHECK(eventually([&] { return tree.to(other) == "ESTALE"; }));
  // Where nobody reports that it was removed on the source, a descriptor may keep it as it is then.
  CHECK(eventually([&] {
    const std::string found = tree.to(directory);
    return found == "ESTALE" || (on_source && !tree.is_watched() && found.empty());
  }));
}

TEST_CASE("A handle of an earlier mount never leads to another file", "[file_handles]") {
  require_root();
  Tree tree(each_setup());
  const Handle file(tree.here("a/b/file"));
  const Handle directory(tree.here("a/b"));
  const Handle root(tree.here());
  tree.unmount();
  tree.mount();
  // As many and more are found here, so that the same numbers would have been given by now.
  write_file(tree.there("zeroth"), "");
  for (const char* name : {"other", "zeroth", "c", "a", "a/b", "a/b/file"}) {
    REQUIRE(std::filesystem::exists(tree.here(name)));
    CHECK(tree.to(file) == "ESTALE");
    CHECK(tree.to(directory) == "ESTALE");
  }
  CHECK(tree.to(root) == "a c other zeroth");
}

TEST_CASE("A directory that has left the source isn't followed up out of it", "[file_handles]") {
  require_root();
  const TemporaryDirectory all;
  std::filesystem::create_directories(all / "source/a/b");
  write_file(all / "secret", "outside");
  const Mount mount(all / "source");
  const Handle directory(mount / "a/b");
  std::filesystem::rename(all / "source/a/b", all / "away");
  CHECK(eventually([&] { return !std::filesystem::exists(mount / "a/b"); }));
  {
    const UniqueFd control = open_fd(mount / ".mmapdirfs/control", O_WRONLY);
    must(::write(control.get(), "clear-cache\n", 12), "write");
  }
  const std::string found = directory.leads_to(mount.root());
  CHECK((found.empty() || found == "ESTALE"));  // empty: its own, as on the source
  CHECK(names_in(mount.root()) == std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace mmapdir::test
