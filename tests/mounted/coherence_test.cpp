// SPDX-License-Identifier: MIT
// What the mount shows of changes that are made on the source meanwhile.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "coherence_changes.h"
#include "coherence_view.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

// The ways by which bytes are read, each of which every --cache has.
ReadPath each_way_of_reading() {
  ReadPath path = GENERATE(ReadPath{"--read-path=passthrough"}, ReadPath{"--read-path=mapped"},
                           ReadPath{"--read-path=plain"});
  if (path.front() == "--read-path=passthrough") {
    require_passthrough();
  }
  return path;
}

const SourceChange& each_source_change() {
  const auto index = GENERATE(range(std::size_t{0}, source_changes().size()));
  const SourceChange& change = source_changes()[index];
  if (change.needs_root) {
    require_root();
  }
  return change;
}

// A tree on the source and on a mount of it, both looked at from before a change on: twice, so that
// the mount's kernel keeps what it may.
struct TwoViews {
  explicit TwoViews(const std::vector<std::string>& options) : mount(made(), {.options = options}) {
    here.look();
    before = here.look();
    here.look_at_attributes();
    check_equal(before, there.look());
  }

  const std::filesystem::path& made() const {
    make_tree(source.path());
    return source.path();
  }

  TemporaryDirectory source;
  Mount mount;
  Viewer there{source.path()};
  Viewer here{mount.root()};
  View before;
};

// The questions whose answers have changed on the source, and not on the mount.
std::vector<std::string> kept_answers(const View& before, const View& here, const View& there) {
  std::vector<std::string> kept;
  for (const auto& [question, answer] : there) {
    if (answer != before.at(question) && here.at(question) == before.at(question)) {
      kept.push_back(question);
    }
  }
  return kept;
}

std::vector<std::string> kept_of(const SourceChange& change, const ReadPath& path) {
  auto kept = change.kept;
  if (path.front() != "--read-path=passthrough") {
    kept.insert(kept.end(), change.kept_with_pages.begin(), change.kept_with_pages.end());
  }
  std::ranges::sort(kept);
  return kept;
}

// What is kept is kept for an hour, so whatever is seen in time was told to the kernel.
TEST_CASE("Each kind of change on the source is seen through the mount", "[coherence]") {
  const TwoViews views(with_option(each_way_of_reading(), "--cache=auto"));
  const SourceChange& change = each_source_change();
  INFO(change.name);
  change.make(views.source.path());
  const View expected = views.there.look();
  // The mapping alone at first: reads in other ways drop pages whose file has changed.
  CHECK(eventually([&] { return views.here.mapped_bytes() == expected.at("mapping"); }));
  eventually([&] { return views.here.look() == expected; });
  check_equal(views.here.look(), expected);
}

// The proof that the kernel has to be told: it is asked for nothing that it keeps.
TEST_CASE("With --cache=always a change on the source isn't seen where the kernel keeps the answer",
          "[coherence]") {
  const ReadPath path = each_way_of_reading();
  const TwoViews views(with_option(path, "--cache=always"));
  const SourceChange& change = each_source_change();
  INFO(change.name);
  change.make(views.source.path());
  CHECK(kept_answers(views.before, views.here.look(), views.there.look()) == kept_of(change, path));
}

TEST_CASE("With --cache=never each kind of change on the source is seen at once", "[coherence]") {
  const TwoViews views(with_option(each_way_of_reading(), "--cache=never"));
  const SourceChange& change = each_source_change();
  INFO(change.name);
  change.make(views.source.path());
  check_equal(views.here.look(), views.there.look());
}

off_t size_of(int fd) {
  struct stat found{};
  must(::fstat(fd, &found), "fstat");
  return found.st_size;
}

void take_record_lock(int fd) {
  struct flock lock{};
  lock.l_type = F_RDLCK;
  must(::fcntl(fd, F_SETLK, &lock), "fcntl");
}

TEST_CASE("Whoever has taken a lock sees what was written on the source before", "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", pattern(5000, 1));
  const UniqueFd fd = open_fd(mount / "file", O_RDWR);
  // More than once: pages that were just dropped are kept anew.
  for (std::uint32_t turn = 2; turn < 12; ++turn) {
    const std::string content = pattern(std::size_t{turn} * 4000, turn);
    REQUIRE(size_of(fd.get()) > 0);  // so that the kernel knows it
    read_at(fd.get(), 100'000, 0);
    {
      const UniqueFd other = open_fd(source / "file", O_WRONLY);
      write_at(other.get(), content, 0);
    }
    if (turn % 2 == 0) {
      take_record_lock(fd.get());
    } else {
      must(::flock(fd.get(), LOCK_SH), "flock");
    }
    CHECK(size_of(fd.get()) == static_cast<off_t>(content.size()));
    CHECK(difference(read_at(fd.get(), content.size(), 0), content).empty());
  }
}

TEST_CASE("A file that was replaced or deleted on the source isn't opened by its old name",
          "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", "old");
  REQUIRE(read_file(mount / "file") == "old");  // so that the kernel knows the name
  write_file(source / "new", "new");
  std::filesystem::rename(source / "new", source / "file");
  CHECK(read_file(mount / "file") == "new");
  std::filesystem::remove(source / "file");
  const UniqueFd gone(::open((mount / "file").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(!gone);
}

TEST_CASE("A file without a name can be opened anew by way of its descriptor", "[coherence]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = each_read_path()});
  write_file(source / "file", "content");
  const UniqueFd fd = open_fd(mount / "file", O_RDONLY);
  std::filesystem::remove(mount / "file");
  CHECK(read_file(fmt::format("/proc/self/fd/{}", fd.get())) == "content");
}

}  // namespace
}  // namespace mmapdir::test
