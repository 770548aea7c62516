// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "detached_mount.h"
#include "forked_child.h"
#include "mmapdir/mmap_directory.h"
#include "scratch.h"
#include "system_call_spy.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using test::bytes_of;
using test::names_in;
using test::put_file;
using test::relative;
using test::text_of;
using Names = std::vector<std::string>;

// More than a writer's buffer holds, so that the system gets to see it at once.
const std::string much(100'000, 'x');

class StreamingTest {
 protected:
  StreamingTest() { put_file(root() / "file", "old"); }

  fs::path root() const { return scratch_.path(); }
  MmapDirectory& directory() { return directory_; }
  FileWriter writer_of(std::string_view path) {
    auto writer = directory_.create(relative(path)).value();
    REQUIRE(writer.append(bytes_of(much)));
    return writer;
  }
  std::string whole(std::string_view path) const {
    return text_of(directory_.open_read(relative(path)).value().read_all().value());
  }
  // The one name in the root that begins like that of a file in the making.
  fs::path in_the_making() const {
    fs::path found;
    for (const auto& name : names_in(root())) {
      found = name.starts_with(".mmapdir-tmp-") ? root() / name : found;
    }
    REQUIRE_FALSE(found.empty());
    return found;
  }
  // The file's bytes are as they were and nothing is left in the directory.
  void check_untouched() const {
    CHECK(whole("file") == "old");
    CHECK(names_in(root()) == Names{"file"});
  }

 private:
  test::ScratchDirectory scratch_;
  MmapDirectory directory_ = MmapDirectory::open(scratch_.path()).value();
};

TEST_CASE_METHOD(StreamingTest,
                 "an open writer holds two descriptors, a spent or dropped one none") {
  const auto before = test::open_descriptors_in(root());
  {
    auto writer = writer_of("file");
    CHECK(test::open_descriptors_in(root()) == before + 2);
  }
  CHECK(test::open_descriptors_in(root()) == before);
  check_untouched();
  auto writer = writer_of("file");
  REQUIRE(writer.commit());
  REQUIRE(directory().sync());
  CHECK(test::open_descriptors_in(root()) == before);
}

TEST_CASE_METHOD(StreamingTest, "a commit replaces a link, not its target") {
  fs::create_symlink("file", root() / "link");
  REQUIRE(writer_of("link").commit());
  CHECK_FALSE(fs::is_symlink(root() / "link"));
  CHECK(whole("file") == "old");
}

TEST_CASE_METHOD(StreamingTest, "a commit keeps the permission bits that its file has by then") {
  fs::permissions(root() / "file", fs::perms{0640});
  auto writer = writer_of("file");
  fs::permissions(root() / "file", fs::perms{0600});
  REQUIRE(writer.commit());
  CHECK(fs::status(root() / "file").permissions() == fs::perms{0600});
  fs::permissions(root() / "file", fs::perms{0602});
  REQUIRE(writer_of("file").commit());
  CHECK(fs::status(root() / "file").permissions() == fs::perms{0602});
}

TEST_CASE_METHOD(StreamingTest, "a file in the making is no more open than what it is to replace") {
  fs::permissions(root() / "file", fs::perms{0600});
  const auto writer = writer_of("file");
  CHECK(fs::status(in_the_making()).permissions() == fs::perms{0600});
}

TEST_CASE_METHOD(StreamingTest, "a commit to a directory that is gone fails and leaves nothing") {
  auto to_moved = writer_of("moved/file");
  auto to_removed = writer_of("removed/file");
  fs::rename(root() / "moved", root() / "elsewhere");
  fs::remove_all(root() / "removed");
  CHECK(to_moved.commit().error().code() == std::errc::no_such_file_or_directory);
  CHECK(to_removed.commit().error().code() == std::errc::no_such_file_or_directory);
  CHECK(names_in(root()) == Names{"elsewhere", "file"});
  CHECK(names_in(root() / "elsewhere").empty());
}

TEST_CASE_METHOD(StreamingTest,
                 "a commit to a directory that was replaced fails and changes none") {
  auto writer = writer_of("dir/file");
  fs::rename(root() / "dir", root() / "old");
  fs::create_directory(root() / "dir");
  CHECK(writer.commit().error().errnum() == ESTALE);
  CHECK(names_in(root() / "old").empty());
  CHECK(names_in(root() / "dir").empty());
}

TEST_CASE_METHOD(StreamingTest, "a directory that was moved out of the root gets no file there") {
  const test::ScratchDirectory outside;
  auto first = writer_of("dir/file");
  auto second = writer_of("dir/file");
  fs::rename(root() / "dir", outside / "dir");
  put_file(outside / "dir/file", "outside");
  CHECK(first.commit().error().code() == std::errc::no_such_file_or_directory);
  fs::create_directory_symlink(outside / "dir", root() / "dir");
  CHECK(second.commit().error().code() == std::errc::cross_device_link);
  CHECK(names_in(outside / "dir") == Names{"file"});
  CHECK(fs::file_size(outside / "dir/file") == 7);
}

TEST_CASE_METHOD(StreamingTest, "a file in the making that somebody removed can't be committed") {
  auto writer = writer_of("file");
  fs::remove(in_the_making());
  CHECK(writer.commit().error().code() == std::errc::no_such_file_or_directory);
  check_untouched();
}

TEST_CASE_METHOD(StreamingTest, "a commit that can't be synced fails for good and leaves nothing") {
  const test::SystemCallSpy spy;
  auto writer = writer_of("file");
  test::SystemCallSpy::fail_syncs_of(in_the_making(), EIO, 1);
  CHECK(writer.commit().error().code() == std::errc::io_error);
  CHECK(writer.commit().error().code() == std::errc::io_error);
  check_untouched();
}

TEST_CASE_METHOD(StreamingTest, "short and interrupted writes are completed in appends as well") {
  const test::SystemCallSpy spy;
  test::SystemCallSpy::dribble(7777);
  auto writer = writer_of("file");
  REQUIRE(writer.append(bytes_of("end")));
  REQUIRE(writer.commit());
  CHECK(whole("file") == much + "end");
}

TEST_CASE_METHOD(StreamingTest,
                 "appending what was truncated underneath is an error, not a crash") {
  const test::ScratchDirectory elsewhere;
  for (const auto& text : {std::string("text"), much}) {
    put_file(elsewhere / "source", text);
    const auto source = MmapDirectory::open(elsewhere.path())
                            .value()
                            .read_range(relative("source"), {.offset = 0, .length = text.size()})
                            .value();
    test::resize(elsewhere / "source", 0);
    auto writer = directory().create(relative("file")).value();
    CHECK(writer.append(source.bytes()).error().code() == std::errc::bad_address);
    CHECK(writer.commit().error().code() == std::errc::bad_address);
  }
  check_untouched();
}

TEST_CASE("a full disk fails the append and the commit, and gets its space back at once") {
  const test::DetachedMount disk("tmpfs", {{"size", "64k"}});
  auto directory = MmapDirectory::open(disk.path()).value();
  REQUIRE(directory.write(relative("file"), bytes_of("old")));
  auto writer = directory.create(relative("file")).value();
  CHECK(writer.append(bytes_of(much)).error().code() == std::errc::no_space_on_device);
  CHECK(directory.write(relative("other"), bytes_of(std::string(50'000, 'x'))));
  CHECK(writer.append(bytes_of("more")).error().code() == std::errc::no_space_on_device);
  CHECK(writer.commit().error().code() == std::errc::no_space_on_device);
  CHECK(names_in(disk.path()) == Names{"file", "other"});
}

TEST_CASE("what doesn't fit on the disk any more is told by the commit if not by an append") {
  const test::DetachedMount disk("tmpfs", {{"size", "64k"}});
  auto directory = MmapDirectory::open(disk.path()).value();
  REQUIRE(directory.write(relative("other"), bytes_of(std::string(50'000, 'x'))));
  auto writer = directory.create(relative("file")).value();
  REQUIRE(writer.append(bytes_of(std::string(30'000, 'x'))));  // which the buffer takes
  CHECK(writer.commit().error().code() == std::errc::no_space_on_device);
  CHECK(names_in(disk.path()) == Names{"other"});
}

// While it lives, this process can open that many more descriptors and not one more.
class SpareDescriptors {
 public:
  explicit SpareDescriptors(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &limit_);
    const auto lowest_free = static_cast<rlim_t>(test::open_file("/dev/null", O_RDONLY).get());
    const rlimit small{.rlim_cur = lowest_free + count, .rlim_max = limit_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &small);
  }
  SpareDescriptors(const SpareDescriptors&) = delete;
  SpareDescriptors& operator=(const SpareDescriptors&) = delete;
  ~SpareDescriptors() { ::setrlimit(RLIMIT_NOFILE, &limit_); }

 private:
  rlimit limit_{};
};

TEST_CASE_METHOD(StreamingTest,
                 "without a descriptor to be had, no writer is and nothing is left") {
  const auto path = relative("other");
  // The undefined-behaviour sanitizer wants a descriptor itself, for the first look at each type.
  CHECK(directory().create(path).has_value());
  for (const rlim_t spare : {0U, 1U}) {
    const auto refused = [&] {
      const SpareDescriptors none(spare);
      return directory().create(path);
    }();
    CHECK(refused.error().code() == std::errc::too_many_files_open);
  }
  check_untouched();
}

TEST_CASE_METHOD(StreamingTest, "a commit works without a further descriptor to be had") {
  REQUIRE(writer_of("file").commit());  // see above
  auto writer = writer_of("file");
  const auto committed = [&] {
    const SpareDescriptors none(0);
    return writer.commit();
  }();
  REQUIRE(committed);
  CHECK(whole("file") == much);
}

TEST_CASE_METHOD(StreamingTest,
                 "a killed writer leaves the file as it was and the next one works") {
  {
    const test::ForkedChild child([&] {
      auto writer = directory().create(relative("file")).value();
      const auto appended = writer.append(bytes_of(much));
      static const auto open_to_the_end = std::move(writer);
      return appended.has_value();
    });
    REQUIRE(child.succeeded());
  }
  CHECK(whole("file") == "old");
  CHECK(directory().list_files({}).value() == relative({"file"}));
  CHECK(fs::remove(in_the_making()));
  REQUIRE(writer_of("file").commit());
  CHECK(whole("file") == much);
}

}  // namespace
}  // namespace mmapdir
