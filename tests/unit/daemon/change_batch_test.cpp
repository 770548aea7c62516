// SPDX-License-Identifier: MIT
// What the kernel is told to forget for the changes of a directory, which are those that the
// watched directory itself reports.

#include "watch/change_batch.h"

#include <fmt/format.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <set>
#include <vector>

#include "support/process.h"
#include "support/requirements.h"
#include "unit/daemon/fixture.h"
#include "watch/expire_names.h"
#include "watch/fanotify_group.h"

namespace mmapdirfs::test {
namespace {

using Path = std::filesystem::path;

// Writes down what it is told, a line for each call.
class RecordingCache final : public KernelCache {
 public:
  bool forget_attributes(NodeId node) override {
    note("attributes", node);
    return !unknown.contains(node);
  }
  void forget_pages(NodeId node) override { note("pages", node); }
  void forget_name(NodeId directory, const std::string& name) override {
    note("name", directory, name);
  }
  void forget_listing(NodeId directory) override { note("listing", directory); }
  void wait_for_lookups(NodeId directory) override { note("wait", directory); }
  bool expire_name(NodeId directory, const std::string& name) override {
    note("expire", directory, name);
    under_way();
    return !unknown_names.contains(name);
  }
  void expire_name_again(NodeId directory, const std::string& name) override {
    note("again", directory, name);
  }

  std::set<NodeId> unknown;                 // to the kernel, in spite of the daemon
  std::set<std::string> unknown_names;      // likewise
  std::function<void()> under_way = [] {};  // what is over once a name was expired
  std::vector<std::string> calls;

 private:
  void note(const char* what, NodeId node, const std::string& name = {}) {
    calls.push_back(fmt::format("{} {}{}", what, static_cast<std::uint64_t>(node),
                                name.empty() ? "" : " " + name));
  }
};

// A watch that makes nothing of its own: the tests read the group themselves.
class GroupWatch final : public SourceWatch {
 public:
  bool watch(int fd) override { return group.add(fd).has_value(); }
  void unwatch(int fd) override { CHECK(group.remove(fd)); }
  void catch_up(std::function<void()> done) override { done(); }

  FanotifyGroup group = made();

 private:
  static FanotifyGroup made() {
    auto group = FanotifyGroup::create();
    if (!group) {
      mmapdir::test::skip("fanotify with file handles (Linux 5.17) isn't there: " +
                          group.error().message());
    }
    return std::move(*group);
  }
};

// A watched directory with a file and a subdirectory that the kernel knows. Changes are made by
// another process, since this one's count as the mount's own.
struct World {
  World() {
    write_file(fixture / "file", "bytes");
    std::filesystem::create_directory(fixture / "directory");
    write_file(fixture / "directory/inner", "bytes");
    fixture.fs().set_watch(watch);
    file = fixture.node_of("file");
    directory = fixture.node_of("directory");
    inner = fixture.node_of("directory/inner");
  }

  template <class Body>
  std::vector<std::string> calls_after(const Body& change) {
    auto other = mmapdir::test::Process::call([&] {
      change();
      return 0;
    });
    REQUIRE(other.wait() == 0);
    return calls_for_reports();
  }

  std::vector<std::string> calls_for_reports() {
    ChangeBatch batch;
    REQUIRE(watch.group.read([&](const Change& change) { batch.add(change); }));
    cache.calls.clear();
    batch.carry_out(fixture.fs(), cache);
    return cache.calls;
  }

  GroupWatch watch;
  Fixture fixture;
  RecordingCache cache;
  NodeId file = kNoNode;
  NodeId directory = kNoNode;
  NodeId inner = kNoNode;
};

std::string call(const char* what, NodeId node, const char* name = "") {
  return fmt::format("{} {}{}{}", what, static_cast<std::uint64_t>(node), *name == '\0' ? "" : " ",
                     name);
}

using Calls = std::vector<std::string>;

bool has(const Calls& calls, const std::string& wanted) {
  return std::ranges::find(calls, wanted) != calls.end();
}

std::ptrdiff_t place_of(const Calls& calls, const std::string& wanted) {
  REQUIRE(has(calls, wanted));
  return std::ranges::find(calls, wanted) - calls.begin();
}

TEST_CASE("Without changes nothing is forgotten", "[change_batch]") {
  World world;
  CHECK(ChangeBatch().empty());
  CHECK(world.calls_for_reports().empty());
}

TEST_CASE("For a new mode a file's attributes are forgotten and nothing else", "[change_batch]") {
  World world;
  CHECK(world.calls_after([&] { ::chmod((world.fixture / "file").c_str(), 0600); }) ==
        Calls{call("attributes", world.file)});
}

TEST_CASE("For new bytes a file's pages are forgotten too, last", "[change_batch]") {
  World world;
  CHECK(world.calls_after([&] {
    write_at(open_fd(world.fixture / "file", O_WRONLY).get(), "new", 0);
  }) == Calls{call("attributes", world.file), call("pages", world.file)});
}

TEST_CASE("For a deleted name its file's attributes go before the name, and then the listing",
          "[change_batch]") {
  World world;
  const auto calls = world.calls_after([&] { std::filesystem::remove(world.fixture / "file"); });
  CHECK(place_of(calls, call("attributes", world.file)) <
        place_of(calls, call("name", kRootNode, "file")));
  CHECK(place_of(calls, call("name", kRootNode, "file")) <
        place_of(calls, call("listing", kRootNode)));
}

// What is mounted on the file stays if it comes back before the old name is used.
TEST_CASE("For a rename the old name is expired and the new one forgotten, in both directories",
          "[change_batch]") {
  World world;
  const auto calls = world.calls_after(
      [&] { std::filesystem::rename(world.fixture / "file", world.fixture / "directory/new"); });
  CHECK(has(calls, call("expire", kRootNode, "file")));
  CHECK(has(calls, call("again", kRootNode, "file")));
  CHECK_FALSE(has(calls, call("name", kRootNode, "file")));
  CHECK(has(calls, call("listing", kRootNode)));
  CHECK(has(calls, call("name", world.directory, "new")));
  CHECK(has(calls, call("listing", world.directory)));
  CHECK(has(calls, call("attributes", world.file)));
}

// Something may be mounted on it by now.
TEST_CASE("The new name of a file is only expired where a lookup has just found the file by it",
          "[change_batch]") {
  World world;
  world.cache.under_way = [&] { world.fixture.node_of("directory/new"); };
  const auto calls = world.calls_after(
      [&] { std::filesystem::rename(world.fixture / "file", world.fixture / "directory/new"); });
  CHECK(has(calls, call("expire", world.directory, "new")));
  CHECK_FALSE(has(calls, call("name", world.directory, "new")));
}

// Something may be mounted on it before a later call.
TEST_CASE("The new name of a file is only expired where the kernel knows nothing of it",
          "[change_batch]") {
  World world;
  world.cache.unknown_names.insert("new");
  const auto calls = world.calls_after(
      [&] { std::filesystem::rename(world.fixture / "file", world.fixture / "directory/new"); });
  CHECK(has(calls, call("expire", world.directory, "new")));
  CHECK_FALSE(has(calls, call("name", world.directory, "new")));
}

// No report names it.
TEST_CASE("A file that lost its name to another is forgotten where it is open", "[change_batch]") {
  World world;
  const auto replace = [&] {
    write_file(world.fixture / "directory/new", "new");
    std::filesystem::rename(world.fixture / "directory/new", world.fixture / "file");
  };
  SECTION("open") {
    const auto opened = world.fixture.open(world.file);
    CHECK(has(world.calls_after(replace), call("attributes", world.file)));
    world.fixture.fs().release(opened.handle);
  }
  SECTION("not open") {
    CHECK_FALSE(has(world.calls_after(replace), call("attributes", world.file)));
  }
}

// A lookup may be under way that has asked the source before the change, and answers after it.
TEST_CASE("A file that nobody knows is forgotten once the directory's lookups are through",
          "[change_batch]") {
  World world;
  const auto calls = world.calls_after([&] { write_file(world.fixture / "stranger", ""); });
  CHECK(place_of(calls, call("wait", kRootNode)) <
        place_of(calls, call("expire", kRootNode, "stranger")));
}

TEST_CASE("A directory's name is forgotten only where the directory was removed",
          "[change_batch]") {
  World world;
  const Path directory = world.fixture / "directory";
  const Calls forgotten{call("name", kRootNode, "directory")};
  SECTION("removed") {
    std::filesystem::remove(directory / "inner");
    const auto calls = world.calls_after([&] { std::filesystem::remove(directory); });
    CHECK(has(calls, forgotten.front()));
  }
  SECTION("removed and made again") {
    std::filesystem::remove(directory / "inner");
    const auto calls = world.calls_after([&] {
      std::filesystem::remove(directory);
      std::filesystem::create_directory(directory);
    });
    CHECK_FALSE(has(calls, forgotten.front()));
    CHECK(has(calls, call("expire", kRootNode, "directory")));
  }
  SECTION("renamed, and renamed back") {
    const auto calls = world.calls_after([&] {
      std::filesystem::rename(directory, world.fixture / "other");
      std::filesystem::rename(world.fixture / "other", directory);
    });
    for (const char* name : {"directory", "other"}) {
      CHECK_FALSE(has(calls, call("name", kRootNode, name)));
      CHECK(has(calls, call("expire", kRootNode, name)));
      CHECK(has(calls, call("again", kRootNode, name)));
    }
  }
  SECTION("of a new mode") {
    const auto calls = world.calls_after([&] { ::chmod(directory.c_str(), 0700); });
    CHECK_FALSE(has(calls, forgotten.front()));
    CHECK_FALSE(has(calls, call("expire", kRootNode, "directory")));
  }
}

TEST_CASE(
    "A file's name is forgotten where the file was deleted or replaced, and expired where "
    "it has come back",
    "[change_batch]") {
  World world;
  const Path file = world.fixture / "file";
  SECTION("deleted") {
    const auto calls = world.calls_after([&] { std::filesystem::remove(file); });
    CHECK(has(calls, call("name", kRootNode, "file")));
    CHECK_FALSE(has(calls, call("expire", kRootNode, "file")));
  }
  SECTION("replaced") {
    write_file(world.fixture / "directory/new", "new");
    const auto calls =
        world.calls_after([&] { std::filesystem::rename(world.fixture / "directory/new", file); });
    CHECK(has(calls, call("name", kRootNode, "file")));
  }
  SECTION("renamed, and renamed back") {
    const auto calls = world.calls_after([&] {
      std::filesystem::rename(file, world.fixture / "other");
      std::filesystem::rename(world.fixture / "other", file);
    });
    CHECK(has(calls, call("expire", kRootNode, "file")));
    CHECK_FALSE(has(calls, call("name", kRootNode, "file")));
  }
}

TEST_CASE("For all names those that were known and those that are there now are expired",
          "[change_batch]") {
  World world;
  std::filesystem::remove(world.fixture / "file");
  std::filesystem::rename(world.fixture / "directory/inner", world.fixture / "directory/moved");
  write_file(world.fixture / "directory/new", "");
  world.cache.calls.clear();
  expire_all_names(world.fixture.fs(), world.cache);
  CHECK(has(world.cache.calls, call("expire", kRootNode, "file")));
  CHECK(has(world.cache.calls, call("expire", kRootNode, "directory")));
  for (const char* name : {"inner", "moved", "new"}) {
    CHECK(has(world.cache.calls, call("expire", world.directory, name)));
  }
  CHECK(std::ranges::none_of(world.cache.calls,
                             [](const std::string& line) { return line.starts_with("name "); }));
}

TEST_CASE("A file that was renamed through the mount is known by its new name", "[change_batch]") {
  World world;
  REQUIRE(world.fixture.fs().rename(kRootNode, "file", world.directory, "renamed", 0, self()));
  CHECK(world.fixture.fs().is_known_as(world.file, world.directory, "renamed"));
}

TEST_CASE("A file that the kernel doesn't know is forgotten again after the wait",
          "[change_batch]") {
  World world;
  world.cache.unknown.insert(world.file);
  CHECK(world.calls_after([&] { ::chmod((world.fixture / "file").c_str(), 0600); }) ==
        Calls{call("attributes", world.file), call("wait", kRootNode),
              call("attributes", world.file)});
}

// Its lookup is one in the directory above.
TEST_CASE("A directory that the kernel doesn't know is forgotten again after the wait",
          "[change_batch]") {
  World world;
  world.cache.unknown.insert(world.directory);
  const Calls looked_up_again{call("attributes", world.directory), call("wait", kRootNode),
                              call("attributes", world.directory)};
  CHECK(world.calls_after([&] { ::chmod((world.fixture / "directory").c_str(), 0700); }) ==
        looked_up_again);
  const auto calls =
      world.calls_after([&] { std::filesystem::remove(world.fixture / "directory/inner"); });
  CHECK(Calls(calls.begin(), calls.begin() + 3) == looked_up_again);
}

TEST_CASE("However many strangers change, the lookups are waited for once", "[change_batch]") {
  World world;
  const auto calls = world.calls_after([&] {
    for (int i = 0; i < 10; ++i) {
      write_file(world.fixture / std::to_string(i), "");
    }
  });
  CHECK(std::ranges::count(calls, call("wait", kRootNode)) == 1);
  CHECK(std::ranges::count(calls, call("listing", kRootNode)) == 1);
}

TEST_CASE("A directory's own change is a change of itself", "[change_batch]") {
  World world;
  const auto calls =
      world.calls_after([&] { ::chmod((world.fixture / "directory").c_str(), 0700); });
  CHECK(has(calls, call("attributes", world.directory)));
  CHECK_FALSE(has(calls, call("listing", world.directory)));
}

TEST_CASE("What this process has changed itself is nothing to forget", "[change_batch]") {
  World world;
  write_file(world.fixture / "file", "mine");
  std::filesystem::create_directory(world.fixture / "new");
  CHECK(world.calls_for_reports().empty());
}

TEST_CASE("A file is watched as long as it is in a watched directory", "[change_batch]") {
  World world;
  const TemporaryDirectory elsewhere;
  const auto is_watched = [&] { return world.fixture.fs().is_watched(world.file); };
  REQUIRE(is_watched());
  SECTION("moved by another process") {
    world.calls_after([&] { std::filesystem::rename(world.fixture / "file", elsewhere / "file"); });
    CHECK_FALSE(is_watched());
    world.calls_after([&] { std::filesystem::rename(elsewhere / "file", world.fixture / "file"); });
    CHECK(is_watched());
  }
  SECTION("moved by this process") {
    std::filesystem::rename(world.fixture / "file", elsewhere / "file");
    world.calls_for_reports();
    CHECK_FALSE(is_watched());
    std::filesystem::rename(elsewhere / "file", world.fixture / "file");
    world.calls_for_reports();
    CHECK(is_watched());
  }
  SECTION("moved from one watched directory into another") {
    world.calls_after(
        [&] { std::filesystem::rename(world.fixture / "file", world.fixture / "directory/file"); });
    CHECK(is_watched());
  }
}

TEST_CASE("Lost changes are noted", "[change_batch]") {
  ChangeBatch batch;
  batch.add({.mask = FAN_Q_OVERFLOW, .directory = {}, .name = {}, .target = {}});
  CHECK(batch.has_overflowed());
  CHECK_FALSE(batch.empty());
}

}  // namespace
}  // namespace mmapdirfs::test
