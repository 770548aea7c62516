// SPDX-License-Identifier: MIT
// Which read path is taken, what is said about it, and what happens when its means run out.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

void make_numbered_files(const std::filesystem::path& directory, int count) {
  for (int i = 0; i < count; ++i) {
    write_file(directory / std::to_string(i), pattern(20'000, static_cast<unsigned>(i)));
  }
}

void check_all_readable(const std::filesystem::path& root, int count) {
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    REQUIRE(
        difference(read_file(root / std::to_string(i)), pattern(20'000, static_cast<unsigned>(i)))
            .empty());
  }
}

int count_of(const std::string& text, std::string_view word) {
  int count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST_CASE("For root, auto chooses passthrough and says so", "[read_path]") {
  require_passthrough();
  const TemporaryDirectory source;
  const Mount mount(source.path());
  CHECK(mount.ready_line().contains("passthrough"));
}

// What sysfs says of how far the kernel reads ahead on the mount.
std::string read_ahead_of(const Mount& mount) {
  struct stat root{};
  must(::stat(mount.root().c_str(), &root), "stat");
  return read_file(fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", ::major(root.st_dev),
                               ::minor(root.st_dev)));
}

TEST_CASE("The kernel reads ahead as far as it is told", "[read_path]") {
  require_root();
  require_fuse();
  const TemporaryDirectory source;
  const std::string content = pattern(5'000'000, 1);
  write_file(source / "file", content);
  const Mount usual(source.path(), {.options = {"--read-path=mapped"}});
  const Mount mount(source.path(), {.options = {"--read-path=mapped", "--read-ahead=1024"}});
  CHECK(read_ahead_of(mount) == "1024\n");
  CHECK(read_ahead_of(usual) != "1024\n");
  CHECK(difference(read_file(mount / "file"), content).empty());
}

TEST_CASE("Read-ahead that can't be had is told, and there is a mount", "[read_path]") {
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "bytes");
  const Mount mount(source.path(), {.options = {"--read-ahead=1024"}, .user = ordinary_user()});
  CHECK(mount.log().contains("--read-ahead, which takes root, isn't had: write '/sys/class/bdi/"));
}

TEST_CASE("Where passthrough leaves read-ahead to the source, that is told", "[read_path]") {
  require_passthrough();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"--read-ahead=1024"}});
  CHECK(mount.log().contains("--read-ahead does nothing in passthrough"));
}

TEST_CASE("The read path that is asked for is the one that is announced", "[read_path]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = path});
  const std::string& option = path.front();
  CHECK(mount.ready_line().contains(option.substr(option.find('=') + 1)));
}

TEST_CASE("For an ordinary user, auto maps, and says once what would make it faster",
          "[read_path]") {
  require_ordinary_user();
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 5);
  const Mount mount(source.path(), {.user = ordinary_user()});
  // errno_as: the mount is its owner's alone.
  const Outcome reads = run_function(
      [&] {
        check_all_readable(mount.root(), 5);
        return 0;
      },
      {.user = ordinary_user()});
  CHECK(reads.status == 0);
  const std::string log = mount.log();
  CAPTURE(log);
  CHECK(mount.ready_line().contains("mapped"));
  CHECK(count_of(log, "passthrough") >= 1);
  CHECK(count_of(log, "CAP_SYS_ADMIN") == 1);
}

TEST_CASE("For an ordinary user, asking for passthrough is an error that says why", "[read_path]") {
  require_ordinary_user();
  const TemporaryDirectory all;
  const User user = ordinary_user();
  std::filesystem::create_directory(all / "source");
  std::filesystem::create_directory(all / "mnt");
  must(::chown((all / "mnt").c_str(), user.uid, user.gid), "chown");
  const Outcome outcome = run(
      {daemon_program(), "--read-path=passthrough", all / "source", all / "mnt"}, {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 1);
  CHECK(outcome.error.contains("passthrough"));
  CHECK(outcome.error.contains("CAP_SYS_ADMIN"));
  CHECK(mounts_under(all.path()).empty());
}

TEST_CASE("A source on overlayfs is read right, whatever passthrough says to it", "[read_path]") {
  require_root();
  const ReadPath path = GENERATE(ReadPath{}, ReadPath{"--read-path=mapped"},
                                 ReadPath{"--read-path=mapped", "--cache=never"});
  const TemporaryDirectory all;
  for (const char* part : {"lower", "upper", "work", "merged"}) {
    std::filesystem::create_directory(all / part);
  }
  make_numbered_files(all / "lower", 10);
  const KernelMount overlay = KernelMount::overlay(
      all / "merged",
      fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", all.path().string()));
  const Mount mount(all / "merged", {.options = path});
  check_all_readable(mount.root(), 10);
  // Copied up meanwhile, a file of an overlay changes its inode but not its name.
  write_file(all / "merged/3", "written");
  CHECK(eventually([&] { return read_file(mount / "3") == "written"; }));
}

TEST_CASE("One thread serves many readers", "[read_path]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 20);
  std::vector<std::string> options = path;
  options.emplace_back("--threads=1");
  const Mount mount(source.path(), {.options = options});
  std::vector<Process> readers;
  readers.reserve(8);
  for (int i = 0; i < 8; ++i) {
    readers.push_back(Process::call([&] {
      check_all_readable(mount.root(), 20);
      return 0;
    }));
  }
  for (Process& reader : readers) {
    CHECK(reader.wait(kPatience) == 0);
  }
}

TEST_CASE("With few mappings allowed, reads go on with the right bytes", "[read_path]") {
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 50);
  const Mount mount(source.path(), {.options = {"--read-path=mapped", "--max-mappings=2"}});
  std::vector<UniqueFd> files;
  files.reserve(50);
  for (int i = 0; i < 50; ++i) {
    files.push_back(open_fd(mount / std::to_string(i), O_RDONLY));
  }
  for (int round = 0; round < 2; ++round) {
    for (unsigned i = 0; i < 50; ++i) {
      CAPTURE(i);
      REQUIRE(difference(read_at(files[i].get(), 30'000, 0), pattern(20'000, i)).empty());
    }
  }
}

void allow_few_descriptors() { limit_descriptors(64); }

TEST_CASE("With few descriptors allowed, any number of files is read one by one", "[read_path]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 500);
  const Mount mount(source.path(), {.options = path, .before = allow_few_descriptors});
  check_all_readable(mount.root(), 500);
  CHECK(names_in(mount.root()).size() == 500);
}

TEST_CASE("Running out of descriptors is an error of that open alone, and passes", "[read_path]") {
  require_no_undefined_sanitizer();
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 200);
  // A ring has two descriptors for each of its threads, which would leave too few for this test.
  Mount mount(source.path(),
              {.options = with_option(path, "--io-uring=off"), .before = allow_few_descriptors});
  {
    std::vector<UniqueFd> files;
    for (unsigned i = 0; i < 200; ++i) {
      CAPTURE(i);
      UniqueFd file(::open((mount / std::to_string(i)).c_str(), O_RDONLY | O_CLOEXEC));
      if (!file) {
        CHECK((errno == EMFILE || errno == ENFILE));
        continue;
      }
      CHECK(difference(read_at(file.get(), 30'000, 0), pattern(20'000, i)).empty());
      files.push_back(std::move(file));
    }
    CHECK(files.size() >= 20);
  }
  CHECK(mount.daemon().running());
  // The releases arrive a moment after the descriptors are closed.
  CHECK(eventually([&] {
    return static_cast<bool>(UniqueFd(::open((mount / "199").c_str(), O_RDONLY | O_CLOEXEC)));
  }));
  check_all_readable(mount.root(), 200);
}

// Opens files of the mount until that fails: how many, and why.
std::string open_all(const Mount& mount, rlim_t limit) {
  const rlimit own{.rlim_cur = limit, .rlim_max = limit};
  must(::setrlimit(RLIMIT_NOFILE, &own), "setrlimit");
  std::vector<UniqueFd> files;
  while (true) {
    // Each for writing: those that only read would share the daemon's descriptor.
    const std::string name = std::to_string(files.size() % 10);
    UniqueFd file(::open((mount / name).c_str(), O_RDWR | O_CLOEXEC));
    if (!file) {
      const char* const error = errno == EMFILE ? "EMFILE" : errno == ENFILE ? "ENFILE" : "other";
      const bool most = files.size() > limit - 100;
      return fmt::format("{} files, {}", most ? "nearly all" : std::to_string(files.size()), error);
    }
    files.push_back(std::move(file));
  }
}

// A container's root often lacks CAP_SYS_RESOURCE.
void require_raising_limits() {
  require_root();
  const Outcome raised = run_function([] {
    const rlimit low{.rlim_cur = 256, .rlim_max = 256};
    const rlimit high{.rlim_cur = 257, .rlim_max = 257};
    must(::setrlimit(RLIMIT_NOFILE, &low), "setrlimit");
    return ::setrlimit(RLIMIT_NOFILE, &high) == 0 ? 0 : 1;
  });
  if (raised.status != 0) {
    skip("root has no CAP_SYS_RESOURCE here");
  }
}

TEST_CASE("A daemon of root raises its limit of descriptors beyond that of any program",
          "[read_path]") {
  require_raising_limits();
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 10);
  const Mount mount(source.path(), {.options = path, .before = [] {
                                      const rlimit low{.rlim_cur = 256, .rlim_max = 1024};
                                      must(::setrlimit(RLIMIT_NOFILE, &low), "setrlimit");
                                    }});
  const Outcome opened = run_function([&] {
    fmt::print("{}", open_all(mount, 20'000));
    return 0;
  });
  CHECK(opened.output == "nearly all files, EMFILE");
  CHECK_FALSE(mount.log().contains("ENFILE"));
}

TEST_CASE("A daemon that may not raise its limit of descriptors says so", "[read_path]") {
  const TemporaryDirectory source;
  make_numbered_files(source.path(), 10);
  const Mount mount(source.path(), {.before = [] { limit_descriptors(256); }});
  CHECK(mount.log().contains("at most 256 files of the mount open at once"));
  const Outcome opened = run_function([&] {
    fmt::print("{}", open_all(mount, 1000));
    return 0;
  });
  CHECK(opened.output.contains("ENFILE"));
  CHECK(count_of(mount.log(), "all descriptors that the daemon may have are in use") == 1);
}

}  // namespace
}  // namespace mmapdir::test
