// SPDX-License-Identifier: MIT
#include "watch/fanotify_group.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "fs/source.h"
#include "support/process.h"
#include "support/requirements.h"
#include "unit/daemon/fixture.h"

namespace mmapdirfs::test {
namespace {

// A path's handle, as the reports have it.
std::string handle_of(const std::filesystem::path& path) {
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + MAX_HANDLE_SZ> room{};
  auto* handle = reinterpret_cast<file_handle*>(room.data());
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount = 0;
  must(::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0), "name_to_handle_at");
  std::string text(reinterpret_cast<const char*>(&handle->handle_type), sizeof handle->handle_type);
  return text.append(reinterpret_cast<const char*>(handle->f_handle), handle->handle_bytes);
}

FanotifyGroup make_group() {
  auto group = FanotifyGroup::create();
  if (!group) {
    mmapdir::test::skip("fanotify with file handles (Linux 5.17) isn't there: " +
                        group.error().message());
  }
  return std::move(*group);
}

struct Watched {
  Watched() {
    std::filesystem::create_directory(source / "other");
    write_file(source / "file", "bytes");
    const UniqueFd fd = open_fd(source.path(), O_PATH | O_DIRECTORY);
    REQUIRE(errno_of(group.add(fd.get())) == 0);
  }

  std::vector<Change> read() {
    std::vector<Change> changes;
    REQUIRE(errno_of(group.read([&](const Change& change) { changes.push_back(change); })) == 0);
    return changes;
  }

  TemporaryDirectory source;
  FanotifyGroup group = make_group();
};

const Change* find(const std::vector<Change>& changes, std::uint64_t mask) {
  const auto found =
      std::ranges::find_if(changes, [&](const auto& each) { return (each.mask & mask) == mask; });
  return found == changes.end() ? nullptr : &*found;
}

TEST_CASE("A directory reports what is made, moved and deleted in it", "[fanotify]") {
  Watched watched;
  const auto& source = watched.source;
  CHECK_FALSE(watched.group.has_changes());
  CHECK(watched.read().empty());

  write_file(source / "new", "bytes");
  const std::string file = handle_of(source / "new");
  std::filesystem::rename(source / "new", source / "newer");
  std::filesystem::remove(source / "newer");
  CHECK(watched.group.has_changes());
  const auto changes = watched.read();
  CHECK_FALSE(watched.group.has_changes());
  const auto check = [&](std::uint64_t mask, const char* name) {
    const Change* change = find(changes, mask);
    REQUIRE(change != nullptr);
    CHECK(change->directory == handle_of(source.path()));
    CHECK(change->name == name);
    CHECK(change->target == file);
    CHECK((change->mask & FAN_ONDIR) == 0);
  };
  check(FAN_CREATE, "new");
  check(FAN_MODIFY, "new");
  check(FAN_CLOSE_WRITE, "new");
  check(FAN_MOVED_FROM, "new");
  check(FAN_MOVED_TO, "newer");
  check(FAN_DELETE, "newer");
}

// A directory is the place of its own changes, also where only the one above it is watched.
TEST_CASE("A directory reports changes of what is in it and of itself", "[fanotify]") {
  Watched watched;
  const auto& source = watched.source;
  must(::chmod((source / "file").c_str(), 0600), "chmod");
  must(::chmod((source / "other").c_str(), 0700), "chmod");
  must(::chmod(source.path().c_str(), 0750), "chmod");
  const auto changes = watched.read();
  REQUIRE(changes.size() == 3);
  const auto check = [](const Change& change, const std::string& directory, const char* name) {
    CHECK((change.mask & FAN_ATTRIB) != 0);
    CHECK((change.directory == directory));
    CHECK(change.name == name);
  };
  check(changes[0], handle_of(source.path()), "file");
  CHECK((changes[0].target == handle_of(source / "file")));
  check(changes[1], handle_of(source / "other"), ".");
  CHECK((changes[1].mask & FAN_ONDIR) != 0);
  check(changes[2], handle_of(source.path()), ".");
}

TEST_CASE("What is read, and what lies deeper, isn't reported", "[fanotify]") {
  Watched watched;
  CHECK(mmapdir::test::read_file(watched.source / "file") == "bytes");
  mmapdir::test::names_in(watched.source.path());
  write_file(watched.source / "other/file", "bytes");
  CHECK(watched.read().empty());
}

TEST_CASE("A directory that isn't watched any more reports nothing", "[fanotify]") {
  Watched watched;
  write_file(watched.source / "before", "");
  const UniqueFd fd = open_fd(watched.source.path(), O_PATH | O_DIRECTORY);
  REQUIRE(errno_of(watched.group.remove(fd.get())) == 0);
  CHECK(errno_of(watched.group.remove(fd.get())) == ENOENT);
  write_file(watched.source / "after", "");
  const auto changes = watched.read();
  CHECK(find(changes, FAN_CREATE) != nullptr);
  CHECK(std::ranges::none_of(changes, [](const auto& change) { return change.name == "after"; }));
}

TEST_CASE("Only directories are watched", "[fanotify]") {
  Watched watched;
  const UniqueFd fd = open_fd(watched.source / "file", O_PATH);
  CHECK(errno_of(watched.group.add(fd.get())) == ENOTDIR);
}

TEST_CASE("A change tells if this process has made it", "[fanotify]") {
  Watched watched;
  write_file(watched.source / "mine", "");
  const auto mine = watched.read();
  REQUIRE_FALSE(mine.empty());
  CHECK(std::ranges::all_of(mine, &Change::is_own));
  auto other = mmapdir::test::Process::call([&] {
    write_file(watched.source / "another's", "");
    return 0;
  });
  REQUIRE(other.wait() == 0);
  const auto others = watched.read();
  REQUIRE_FALSE(others.empty());
  CHECK(std::ranges::none_of(others, &Change::is_own));
}

TEST_CASE("A name of the greatest length is reported whole", "[fanotify]") {
  Watched watched;
  const std::string name(255, 'n');
  write_file(watched.source / name, "");
  const auto changes = watched.read();
  REQUIRE_FALSE(changes.empty());
  CHECK(changes.front().name == name);
}

// Each has a name of its own, so that nothing merges; more than one read takes.
TEST_CASE("Thousands of changes are read in one go", "[fanotify]") {
  constexpr int kCount = 5000;
  Watched watched;
  for (int i = 0; i < kCount; ++i) {
    must(::symlink("x", (watched.source / std::to_string(i)).c_str()), "symlink");
  }
  const auto changes = watched.read();
  CHECK(std::ranges::count_if(
            changes, [](const auto& change) { return (change.mask & FAN_CREATE) != 0; }) == kCount);
  CHECK_FALSE(watched.group.has_changes());
}

}  // namespace
}  // namespace mmapdirfs::test
