// SPDX-License-Identifier: MIT
// What is in memory of the source: shown, brought there, kept there, and remembered.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/control_client.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kSize = 1U << 20U;

void write_tree(const std::filesystem::path& source) {
  std::filesystem::create_directory(source / "index");
  write_file(source / "index/a.idx", pattern(kSize, 1));
  write_file(source / "index/b.dat", pattern(kSize, 2));
  write_file(source / "top", "x");
}

// In another process's eyes than the daemon's.
std::uint64_t resident_pages(const std::filesystem::path& path) {
  const UniqueFd file = open_fd(path, O_RDONLY);
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  must(address == MAP_FAILED ? -1 : 0, "mmap");
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int asked = ::mincore(address, size, pages.data());
  ::munmap(address, size);
  must(asked, "mincore");
  return static_cast<std::uint64_t>(
      std::ranges::count_if(pages, [](unsigned char each) { return (each & 1U) != 0; }));
}

void drop_pages(const std::filesystem::path& path) {
  const UniqueFd file = open_fd(path, O_RDONLY);
  must(::fsync(file.get()), "fsync");
  must(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
  if (resident_pages(path) != 0) {
    skip("the file system keeps what is to be dropped");
  }
}

TEST_CASE("A map shows each file that matches, with a cell for each of its parts", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  const std::string all = control(mount.root(), "map");
  for (const char* path : {"\"top\"", "\"index/a.idx\"", "\"index/b.dat\""}) {
    CHECK(all.contains(std::string("{\"event\":\"result\",\"path\":") + path));
  }
  CHECK(all.ends_with(kDone));
  const std::string one = control(mount.root(), "map --cells=2 *.idx");
  CHECK(one.contains("\"path\":\"index/a.idx\",\"size\":1048576,"));
  CHECK_FALSE(one.contains("b.dat"));
  CHECK(control(mount.root(), "map *.none").contains("no file matches '*.none'"));
  CHECK(control(mount.root(), "map --cells=0").contains("from 1 to 4096"));
  CHECK(control(mount.root(), "map [a").contains("\"errno\":22"));
}

TEST_CASE("An empty source has a map without rows", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  CHECK(control(mount.root(), "map") == kDone);
}

TEST_CASE("Warming brings a file's bytes into memory", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  for (const bool read_only : {false, true}) {
    const Mount mount(source.path(), {.options = read_only ? std::vector<std::string>{"-oro"}
                                                           : std::vector<std::string>{}});
    const auto ask = read_only ? control_by_ioctl : control;
    const std::string answer = ask(mount.root(), "warm *.idx");
    CHECK(answer.contains("\"event\":\"progress\""));
    CHECK(answer.contains("\"files\":1,\"asked_bytes\":1048576,"));
    CHECK(answer.contains("\"resident_bytes\":1048576,"));
    CHECK(answer.contains("\"stopped_by\":null"));
    CHECK(answer.ends_with(kDone));
  }
}

TEST_CASE("What can't be warmed is told", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  CHECK(control(mount.root(), "warm").contains("usage: warm"));
  CHECK(control(mount.root(), "warm nothing").contains("\"errno\":2,"));
  CHECK(control(mount.root(), "warm --share=101 top").contains("from 1 to 100"));
  CHECK(control(mount.root(), "warm --rate=0 top").contains("--rate=0"));
  CHECK(control(mount.root(), "warm --limit=-1 top").contains("--limit=-1"));
}

TEST_CASE("A reader that waits for a slow command can be killed", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  drop_pages(source / "index/a.idx");
  const Mount mount(source.path());
  Process client = Process::call([&] {
    const ControlClient waiting(mount.root(), O_RDWR);
    waiting.give("warm --rate=1 **");  // would take days
    write_file(source / "given", "");
    waiting.answers();
    return 0;
  });
  const auto call = fmt::format("/proc/{}/syscall", client.pid());
  const auto is_reading = fmt::format("{} ", SYS_read);
  REQUIRE(eventually([&] {
    return std::filesystem::exists(source / "given") && read_file(call).starts_with(is_reading);
  }));
  client.signal(SIGKILL);
  CHECK(client.wait() == 128 + SIGKILL);
  CHECK(control(mount.root(), "version").ends_with(kDone));
}

TEST_CASE("Pinned files are locked in the daemon's memory until they are unpinned", "[control]") {
  require_root();
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  const std::string pinned = control(mount.root(), "pin *.idx");
  CHECK(
      pinned.contains("\"path\":\"index/a.idx\",\"pattern\":\"*.idx\","
                      "\"intended_bytes\":1048576,\"pinned_bytes\":1048576,\"reason\":null"));
  CHECK(
      pinned.contains("{\"event\":\"result\",\"files\":1,\"intended_bytes\":1048576,"
                      "\"pinned_bytes\":1048576}"));
  CHECK(control(mount.root(), "pins").contains("\"path\":\"index/a.idx\""));
  const UniqueFd open = open_fd(mount / "index/a.idx", O_RDONLY);
  CHECK(read_file(mount / ".mmapdirfs/files").contains("\"pinned_bytes\":1048576"));

  CHECK(control(mount.root(), "unpin *.idx").contains("\"files\":1,\"bytes\":1048576"));
  CHECK(control(mount.root(), "pins") == kDone);
  CHECK(control(mount.root(), "unpin *.idx").contains("\"errno\":2,"));
}

TEST_CASE("A budget bounds what is pinned, and the report says so", "[control]") {
  require_root();
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  const std::string answer = control(mount.root(), "pin --budget=65536 *.idx *.dat");
  CHECK(answer.contains("\"pinned_bytes\":65536,\"reason\":\"budget\""));
  CHECK(answer.contains("\"files\":2,\"intended_bytes\":2097152,\"pinned_bytes\":65536}"));
  CHECK(control(mount.root(), "pin --budget=much top").contains("--budget=much"));
}

TEST_CASE("A pinned file that is replaced is pinned anew, and a deleted one released",
          "[control]") {
  require_root();
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  CHECK(control(mount.root(), "pin *.idx").ends_with(kDone));
  const auto shows = [&](std::string_view text) {
    return eventually([&] { return control(mount.root(), "pins").contains(text); }, kPatience);
  };
  write_file(source / "new", pattern(2 * kSize, 3));
  std::filesystem::rename(source / "new", source / "index/a.idx");
  CHECK(shows("\"intended_bytes\":2097152,\"pinned_bytes\":2097152"));
  write_file(mount / "new", pattern(3 * kSize, 4));
  std::filesystem::rename(mount / "new", mount / "index/a.idx");
  CHECK(shows("\"intended_bytes\":3145728,\"pinned_bytes\":3145728"));
  std::filesystem::remove(mount / "index/a.idx");
  CHECK(eventually([&] { return control(mount.root(), "pins") == kDone; }, kPatience));
}

TEST_CASE("A daemon of one thread finds out that a hot set lies in its own mount", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"--threads=1"}});
  CHECK(control(mount.root(), "hot-save " + (mount / "x").string()).contains("the mount itself"));
}

TEST_CASE("A hot set is saved and loaded by command", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const TemporaryDirectory elsewhere;
  const Mount mount(source.path());
  CHECK(control(mount.root(), "warm **").ends_with(kDone));
  const std::string file = elsewhere / "hot set";
  CHECK(control(mount.root(), "hot-save \"" + file + "\"").contains("\"files\":3,"));
  const std::string loaded = control(mount.root(), "hot-load \"" + file + "\"");
  CHECK(loaded.contains("\"skipped_files\":0"));
  write_file(source / "top", "another");
  CHECK(control(mount.root(), "hot-load \"" + file + "\"")
            .contains("{\"path\":\"top\",\"reason\":\"changed\"}"));

  write_file(elsewhere / "foreign", "not a hot set\n");
  const std::string foreign = elsewhere / "foreign";
  CHECK(control(mount.root(), "hot-load " + foreign).contains("\"errno\":22"));
  CHECK(control(mount.root(), "hot-save " + foreign).contains("\"errno\":17"));
  CHECK(read_file(elsewhere / "foreign") == "not a hot set\n");
  CHECK(control(mount.root(), "hot-save relative").contains("begins with '/'"));
  CHECK(control(mount.root(), "hot-save " + (mount / "x").string()).contains("the mount itself"));
}

TEST_CASE("A mount keeps its hot set in a file", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const TemporaryDirectory elsewhere;
  const std::vector<std::string> options = {"--hot-set=" + (elsewhere / "hot").string()};
  {
    const Mount mount(source.path(), {.options = options});
    CHECK(control(mount.root(), "warm **").ends_with(kDone));
  }
  const std::string saved = read_file(elsewhere / "hot");
  CHECK(saved.contains("index/a.idx"));
  {
    const Mount mount(source.path(), {.options = options});
    CHECK(eventually([&] { return mount.log().contains("hot set loaded: 3 files"); }, kPatience));
  }
  write_file(elsewhere / "hot", "damaged");
  {
    const Mount mount(source.path(), {.options = options});
    CHECK(eventually([&] { return mount.log().contains("the hot set isn't loaded"); }, kPatience));
    CHECK(read_file(mount / ".mmapdirfs/status").contains("\"state\": \"failed\""));
  }
  CHECK(read_file(elsewhere / "hot") == "damaged");
}

TEST_CASE("Open files are listed with their path and what was read of them", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path(),
                    {.options = {"--read-path=mapped", "--cache=never", "--advice=*.idx=random"}});
  CHECK(read_file(mount / ".mmapdirfs/files").empty());
  const UniqueFd open = open_fd(mount / "index/a.idx", O_RDONLY);
  CHECK(read_at(open.get(), 4096, 0).size() == 4096);
  const std::string files = read_file(mount / ".mmapdirfs/files");
  CHECK(files.starts_with("{\"path\":\"index/a.idx\","));
  CHECK(files.contains("\"size\":1048576,"));
  CHECK(files.contains("\"opens\":1,\"reads\":1,\"read_bytes\":4096,\"read_path\":\"mapped\"}\n"));
  std::filesystem::remove(source / "index/a.idx");
  CHECK(read_file(mount / ".mmapdirfs/files").starts_with("{\"path\":null,"));
}

TEST_CASE("Of files that are to be read at random no more is read than is asked for", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path(),
                    {.options = {"--read-path=mapped", "--cache=never", "--advice=*.idx=random"}});
  for (const char* path : {"index/a.idx", "index/b.dat"}) {
    drop_pages(source / path);
    const UniqueFd open = open_fd(mount / path, O_RDONLY);
    CHECK(read_at(open.get(), 4096, kSize / 2).size() == 4096);
  }
  CHECK(resident_pages(source / "index/a.idx") == 1);
  CHECK(resident_pages(source / "index/b.dat") > 1);  // the kernel reads around what is asked for
}

TEST_CASE("Files that only a mapping is kept of are listed, wherever they have gone", "[control]") {
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path(), {.options = {"--read-path=mapped", "--cache=never"}});
  const auto files = [&] { return read_file(mount / ".mmapdirfs/files"); };
  CHECK(read_file(mount / "index/a.idx").size() == kSize);
  // The close's message may still be under way.
  CHECK(eventually([&] { return files().contains("\"opens\":0,\"reads\":0,"); }, kPatience));
  CHECK(files().starts_with("{\"path\":\"index/a.idx\",\"inode\":"));
  CHECK(files().contains("\"size\":1048576,\"resident_bytes\":1048576,\"pinned_bytes\":0,"));
  CHECK(files().ends_with("\"read_path\":\"mapped\"}\n"));
  CHECK(read_file(mount / "top") == "x");
  const auto lines = [&] { return std::ranges::count(files(), '\n'); };
  CHECK(eventually([&] { return !files().contains("\"opens\":1"); }, kPatience));
  CHECK(lines() == 2);

  const std::string odd = "two\nlines \\ é";
  std::filesystem::rename(source / "index/a.idx", source / odd);
  CHECK(files().contains("{\"path\":\"two\\nlines \\\\ é\","));
  // Another file under the old name isn't taken for it.
  write_file(source / "index/a.idx", "new");
  CHECK_FALSE(files().contains("a.idx"));
  std::filesystem::remove(source / odd);
  CHECK(files().contains("{\"path\":null,"));
  CHECK(files().contains("\"size\":1048576,\"resident_bytes\":null,"));

  CHECK(control(mount.root(), "clear-cache").ends_with(kDone));
  CHECK(files().empty());
}

TEST_CASE("Pinned files that nobody has open are listed as mapped", "[control]") {
  require_root();
  const TemporaryDirectory source;
  write_tree(source.path());
  const Mount mount(source.path());
  CHECK(control(mount.root(), "pin --budget=65536 *.idx").ends_with(kDone));
  const std::string files = read_file(mount / ".mmapdirfs/files");
  CHECK(files.starts_with("{\"path\":\"index/a.idx\","));
  CHECK(files.contains("\"pinned_bytes\":65536,\"opens\":0,"));
}

TEST_CASE("Only root and the daemon's user see which files are open", "[control]") {
  require_ordinary_user();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"-oallow_other"}});
  CHECK(errno_as(ordinary_user(), [&] {
          return ::open((mount / ".mmapdirfs/files").c_str(), O_RDONLY | O_CLOEXEC);
        }) == EACCES);
}

TEST_CASE("An ordinary user warms and maps his own mount", "[control]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  write_tree(source.path());
  for (const char* path : {"index/a.idx", "index/b.dat", "top"}) {
    must(::chown((source / path).c_str(), user.uid, user.gid), "chown");
  }
  const Mount mount(source.path(), {.user = user});
  const Outcome outcome = run_function(
      [&] {
        const bool warmed = control(mount.root(), "warm **").ends_with(kDone);
        const bool mapped = control(mount.root(), "map").ends_with(kDone);
        return warmed && mapped ? 0 : 1;
      },
      {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 0);
}

TEST_CASE("An ordinary user pins as much of his own files as he may lock", "[control]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  write_tree(source.path());
  for (const char* path : {"index/a.idx", "index/b.dat"}) {
    must(::chown((source / path).c_str(), user.uid, user.gid), "chown");
    drop_pages(source / path);
  }
  Mount mount(source.path(), {.user = user, .before = [] {
                                const rlimit limit{.rlim_cur = kSize, .rlim_max = kSize};
                                must(::setrlimit(RLIMIT_MEMLOCK, &limit), "setrlimit");
                              }});
  const auto ask = [&](const std::string& line) {
    const Outcome outcome = run_function(
        [&] {
          const std::string answer = control(mount.root(), line);
          must(::write(STDOUT_FILENO, answer.data(), answer.size()), "write");
          return 0;
        },
        {.user = user});
    CAPTURE(outcome.error);
    CHECK(outcome.status == 0);
    return outcome.output;
  };
  const std::string pinned = ask("pin index/a.idx index/b.dat");
  CHECK(pinned.contains("\"intended_bytes\":1048576,\"pinned_bytes\":1048576,\"reason\":null"));
  CHECK(pinned.contains("\"pinned_bytes\":0,\"reason\":\"RLIMIT_MEMLOCK\""));
  CHECK(pinned.ends_with(kDone));
  const auto process = "/proc/" + std::to_string(mount.daemon().pid()) + "/status";
  CHECK(read_file(process).contains("VmLck:\t    1024 kB"));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  CHECK(resident_pages(source / "index/a.idx") == kSize / page);

  CHECK(ask("unpin *").ends_with(kDone));
  CHECK(read_file(process).contains("VmLck:\t       0 kB"));
}

}  // namespace
}  // namespace mmapdir::test
