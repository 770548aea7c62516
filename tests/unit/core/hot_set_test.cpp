// SPDX-License-Identifier: MIT
#include "mmapdir/hot_set.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mmapdir/residency.h"
#include "scratch.h"
#include "src/hot_set_format.h"

namespace mmapdir {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

// A source directory, and a hot set beside it.
class HotSetTest {
 protected:
  // With nothing of it in memory.
  fs::path put(const std::string& name, std::uint64_t pages) const {
    fs::create_directories((source() / name).parent_path());
    test::put_file(source() / name, std::string(pages * test::page_size(), 'x'));
    drop(source() / name);
    return source() / name;
  }

  static void drop(const fs::path& path) {
    test::drop_from_memory(test::open_file(path, O_RDONLY).get());
  }

  static void read_pages(const fs::path& path, std::uint64_t first, std::uint64_t pages) {
    const auto fd = test::open_file(path, O_RDONLY);
    REQUIRE(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM) == 0);
    for (auto page = first; page < first + pages; ++page) {
      char byte = 0;
      test::must(::pread(fd.get(), &byte, 1, static_cast<off_t>(page * test::page_size())),
                 "pread");
    }
  }

  static std::vector<ByteRange> ranges(const fs::path& path) {
    auto ranges = resident_ranges(test::open_file(path, O_RDONLY).get());
    REQUIRE(ranges);
    return *ranges;
  }

  HotSetSaved saved() const {
    auto report = save_hot_set(root_.get(), file());
    REQUIRE(report);
    return *report;
  }

  HotSetLoaded loaded(const std::stop_token& stop = {}) const {
    auto report = load_hot_set(root_.get(), file(), {}, {}, stop);
    REQUIRE(report);
    return *report;
  }

  // Empty if it was loaded.
  std::string fault_of(std::string_view text) const {
    test::put_file(file(), text);
    const auto report = load_hot_set(root_.get(), file());
    if (report) {
      return {};
    }
    CHECK(report.error().code() == std::errc::invalid_argument);
    CHECK(report.error().message().contains(file().native()));
    return report.error().message();
  }

  std::string text() const {
    std::ifstream stream(file());
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  fs::path source() const { return directory_ / "source"; }
  fs::path file() const { return directory_ / "hot"; }
  int root() const { return root_.get(); }
  const fs::path& directory() const { return directory_.path(); }

 private:
  test::ScratchDirectory directory_;
  bool is_made_ = fs::create_directory(directory_ / "source");
  UniqueFd root_ = test::open_file(directory_ / "source", O_PATH | O_DIRECTORY);
};

// A hot set of one file, with lines and checksum that fit together.
std::string hot_set_of(const HotFile& file) { return format_hot_set({file}); }

HotFile hot_file_of(std::string_view path, const fs::path& existing,
                    std::vector<ByteRange> ranges) {
  struct stat status{};
  test::must(::stat(existing.c_str(), &status), "stat");
  return {.path = test::relative(path),
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = status.st_mtim,
          .ranges = std::move(ranges)};
}

TEST_CASE_METHOD(HotSetTest, "what was in memory is there again after save, drop and load") {
  const auto a = put("a", 10);
  const auto b = put("d/b \n%", 4);
  const auto cold = put("cold", 4);
  read_pages(a, 2, 3);
  read_pages(a, 7, 1);
  read_pages(b, 0, 4);
  const auto before = std::pair(ranges(a), ranges(b));
  const auto report = saved();
  CHECK(report.files == 2);
  CHECK(report.bytes == 8 * test::page_size());
  CHECK(report.failures.empty());
  drop(a);
  drop(b);
  const auto again = loaded();
  CHECK(again.warmed.files == 2);
  CHECK(again.warmed.asked_bytes == 8 * test::page_size());
  CHECK(again.warmed.read_bytes == 8 * test::page_size());
  CHECK(again.warmed.resident_bytes == 8 * test::page_size());
  CHECK(again.skipped.empty());
  CHECK(std::pair(ranges(a), ranges(b)) == before);
  CHECK(ranges(cold).empty());
}

TEST_CASE_METHOD(HotSetTest, "the file of which most is in memory comes first") {
  read_pages(put("a", 10), 0, 2);
  read_pages(put("b", 10), 0, 9);
  read_pages(put("c", 2), 0, 1);
  saved();
  const auto files = parse_hot_set(text(), "hot");
  REQUIRE(files);
  std::vector<std::string> paths;
  std::ranges::transform(*files, std::back_inserter(paths),
                         [](const HotFile& file) { return file.path.string(); });
  CHECK(paths == std::vector<std::string>{"b", "c", "a"});
}

TEST_CASE_METHOD(HotSetTest,
                 "a file that changed, went or became a link is skipped, with a reason") {
  for (const auto* const name : {"grown", "touched", "gone", "linked", "same"}) {
    read_pages(put(name, 2), 0, 2);
  }
  saved();
  test::append_to(source() / "grown", "x");
  const std::array<std::timespec, 2> times{
      {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}}};
  test::must(::utimensat(AT_FDCWD, (source() / "touched").c_str(), times.data(), 0), "utimensat");
  fs::remove(source() / "gone");
  fs::rename(source() / "linked", source() / "other");
  fs::create_symlink("other", source() / "linked");
  const auto report = loaded();
  CHECK(report.warmed.files == 1);
  std::vector<std::pair<std::string, std::string>> skipped;
  std::ranges::transform(report.skipped, std::back_inserter(skipped), [](const HotSetSkip& skip) {
    return std::pair(skip.path.string(), skip.reason);
  });
  std::ranges::sort(skipped);
  CHECK(skipped == std::vector<std::pair<std::string, std::string>>{
                       {"gone", "gone"},
                       {"grown", "changed"},
                       {"linked", "Too many levels of symbolic links"},
                       {"touched", "changed"}});
}

TEST_CASE_METHOD(HotSetTest, "a load that was stopped says so, and leaves the file as it was") {
  read_pages(put("a", 2), 0, 2);
  saved();
  const auto before = text();
  const std::stop_source source;
  source.request_stop();
  CHECK(loaded(source.get_token()).warmed.stopped_by == WarmStop::kCancel);
  CHECK(text() == before);
}

TEST_CASE_METHOD(HotSetTest, "a save that was stopped or failed leaves the file as it was") {
  read_pages(put("a", 2), 0, 2);
  saved();
  const auto before = text();
  const std::stop_source source;
  source.request_stop();
  CHECK(save_hot_set(root(), file(), source.get_token()).error().code() ==
        std::errc::operation_canceled);
  CHECK(save_hot_set(-1, file()).error().code() == std::errc::bad_file_descriptor);
  CHECK(text() == before);
  CHECK(test::names_in(directory()) == std::vector<std::string>{"hot", "source"});
}

TEST_CASE_METHOD(HotSetTest, "a save replaces a hot set and an empty file, and nothing else") {
  put("a", 1);
  test::put_file(file(), "");
  CHECK(saved().files == 0);
  CHECK(saved().files == 0);
  test::put_file(file(), "a letter to my mother");
  CHECK(save_hot_set(root(), file()).error().code() == std::errc::file_exists);
  CHECK(text() == "a letter to my mother");
  CHECK(save_hot_set(root(), source()).error().code() == std::errc::file_exists);
  CHECK(save_hot_set(root(), directory() / "none" / "hot").error().code() ==
        std::errc::no_such_file_or_directory);
}

TEST_CASE_METHOD(HotSetTest, "a hot set can be read by its owner only") {
  saved();
  CHECK(fs::status(file()).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE_METHOD(HotSetTest, "what isn't a hot set is refused") {
  CHECK(fault_of("").contains("no hot set"));
  CHECK(fault_of("\x7f"
                 "ELF\0\0"sv)
            .contains("no hot set"));
  CHECK(fault_of("mmapdir hot set 2\nend 0\n").contains("another version"));
  CHECK(load_hot_set(root(), directory()).error().code() == std::errc::invalid_argument);
  CHECK(load_hot_set(root(), "/dev/zero").error().code() == std::errc::invalid_argument);
  CHECK(load_hot_set(root(), directory() / "none").error().code() ==
        std::errc::no_such_file_or_directory);
}

TEST_CASE_METHOD(HotSetTest, "a hot set that is cut off anywhere is refused") {
  read_pages(put("a", 4), 0, 1);
  saved();
  const auto whole = text();
  CHECK(fault_of(whole).empty());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK_FALSE(fault_of(whole.substr(0, length)).empty());
  }
}

TEST_CASE_METHOD(HotSetTest, "a hot set with any byte changed or more at its end is refused") {
  read_pages(put("a", 4), 0, 1);
  saved();
  const auto whole = text();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK_FALSE(fault_of(damaged).empty());
  }
  CHECK_FALSE(fault_of(whole + "x").empty());
  CHECK_FALSE(fault_of(whole + whole).empty());
}

TEST_CASE_METHOD(HotSetTest,
                 "lines that make no sense are refused, though their checksum is right") {
  const auto rebuilt = [&](const std::string& lines) {
    auto text = "mmapdir hot set 1\n" + lines;
    std::uint64_t sum = 0xcbf29ce484222325U;
    for (const char byte : text) {
      sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
    }
    std::array<char, 17> digits{};
    std::to_chars(digits.begin(), digits.end(), sum, 16);
    return text + "end " + digits.data() + "\n";
  };
  CHECK(fault_of(rebuilt("")).empty());
  CHECK(fault_of(rebuilt("file 10 1 1 a\n0 10\n")).empty());
  for (const auto* const lines : {"rubbish\n",
                                  "\n",
                                  "0 10\n",
                                  "file\n",
                                  "file 10 1 1 \n",
                                  "file 10 1 1 /etc/passwd\n",
                                  "file 10 1 1 ../a\n",
                                  "file 10 1 1 a/../../b\n",
                                  "file 10 1 1 a/./b\n",
                                  "file 10 1 1 a%00b\n",
                                  "file 10 1 1 %2e%2e/b\n",
                                  "file 10 1 1 %2\n",
                                  "file 10 1 1 %zz\n",
                                  "file -1 1 1 a\n",
                                  "file 10 1 -1 a\n",
                                  "file 10 1 1000000000 a\n",
                                  "file 99999999999999999999 1 1 a\n",
                                  "file 10 1 1 a\n0 11\n",
                                  "file 10 1 1 a\n18446744073709551615 2\n",
                                  "file 10 1 1 a\n5 1\n4 1\n",
                                  "file 10 1 1 a\n0 5\n4 1\n",
                                  "file 10 1 1 a\n0 0\n",
                                  "file 10 1 1 a\n0\n",
                                  "file 10 1 1 a\n0 1 2\n"}) {
    INFO(lines);
    CHECK(fault_of(rebuilt(lines)).contains("a line makes no sense"));
  }
}

TEST_CASE_METHOD(HotSetTest, "no name in a hot set leads out of the root, also not by a link") {
  const auto outside = directory() / "outside";
  test::put_file(outside, std::string(2 * test::page_size(), 'x'));
  drop(outside);
  fs::create_symlink("../outside", source() / "link");
  fs::create_directory_symlink("..", source() / "up");
  test::must(::mkfifo((source() / "fifo").c_str(), 0600), "mkfifo");
  for (const auto* const name : {"link", "up/outside", "fifo"}) {
    test::put_file(file(), hot_set_of(hot_file_of(name, outside,
                                                  {{.offset = 0, .length = test::page_size()}})));
    const auto report = loaded();
    CHECK(report.warmed.files == 0);
    CHECK(report.skipped.size() == 1);
  }
  CHECK(ranges(outside).empty());
}

}  // namespace
}  // namespace mmapdir
