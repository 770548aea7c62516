// SPDX-License-Identifier: MIT
// Each verb against a real mount, as root and as an ordinary user, and what isn't such a mount.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "support/files.h"
#include "support/kernel_mount.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using Strings = std::vector<std::string>;

constexpr std::size_t kFileSize = 1U << 20U;

Outcome ctl(Strings arguments, const std::optional<User>& user = {}) {
  arguments.insert(arguments.begin(), MMAPDIRCTL_PROGRAM);
  return run(arguments, {.user = user});
}

// The output of a run that has to succeed.
std::string output_of(const Strings& arguments, const std::optional<User>& user = {}) {
  const Outcome outcome = ctl(arguments, user);
  CAPTURE(arguments, outcome.error, outcome.output);
  REQUIRE(outcome.status == 0);
  return outcome.output;
}

std::vector<json> json_of(Strings arguments, const std::optional<User>& user = {}) {
  arguments.emplace_back("--json");
  std::istringstream lines(output_of(arguments, user));
  std::vector<json> values;
  for (std::string line; std::getline(lines, line);) {
    values.push_back(json::parse(line));
  }
  return values;
}

void check_fails(const Strings& arguments, int status, const std::string& message,
                 const std::optional<User>& user = {}) {
  const Outcome outcome = ctl(arguments, user);
  CAPTURE(arguments);
  CHECK(outcome.status == status);
  CHECK(outcome.output.empty());
  CHECK_THAT(outcome.error, ContainsSubstring(message));
}

// A source with files, mounted by root or by an ordinary user.
class Served {
 public:
  explicit Served(std::vector<std::string> options = {}, std::optional<User> user = {})
      : user_(user) {
    write_file(source_ / "a.idx", pattern(kFileSize, 1));
    write_file(source_ / "b c\n.idx", pattern(kFileSize, 2));
    write_file(source_ / "empty", "");
    for (const auto& file : std::filesystem::directory_iterator(source_.path())) {
      // The kernel tells nobody what is in memory of others' files.
      must(::lchown(file.path().c_str(), user.value_or(User{}).uid, user.value_or(User{}).gid),
           "chown");
    }
    mount_ = std::make_unique<Mount>(source_.path(),
                                     MountSetup{.options = std::move(options), .user = user});
  }

  std::string point() const { return mount_->root().string(); }
  const TemporaryDirectory& source() const { return source_; }
  Mount& mount() const { return *mount_; }
  const std::optional<User>& user() const { return user_; }

 private:
  std::optional<User> user_;
  TemporaryDirectory source_;
  std::unique_ptr<Mount> mount_;
};

// Runs the rest of the test for root's mount and for an ordinary user's.
Served served_by_each() {
  if (GENERATE(false, true)) {
    require_ordinary_user();
    return Served({}, ordinary_user());
  }
  require_root();
  require_fuse();
  return Served();
}

TEST_CASE("Every verb that only shows works for who mounted", "[ctl]") {
  const Served served = served_by_each();
  const auto& user = served.user();
  const auto point = served.point();

  CHECK_THAT(output_of({"status", point}, user),
             ContainsSubstring(served.source().path().string() + " on " + point));
  CHECK(json_of({"status", point}, user).at(0).at("mountpoint") == point);
  CHECK_THAT(output_of({"config", point}, user), ContainsSubstring("control = .mmapdirfs\n"));
  CHECK(json_of({"config", point}, user).at(0).at("source") == served.source().path().string());
  CHECK_THAT(output_of({"metrics", point}, user), ContainsSubstring("\nmmapdirfs_build_info{"));
  CHECK_THAT(output_of({"doctor", point}, user), ContainsSubstring("ok    mount"));
}

// Mounts that take commands in different ways: by write, by ioctl, and by ioctl without a handle.
Served served_in_each_way() {
  require_root();
  require_fuse();
  return Served(GENERATE(Strings{}, Strings{"-o", "ro"},
                         Strings{"-o", "ro", "--cache=always", "--read-path=mapped"}));
}

TEST_CASE("Commands reach the daemon of a mount that is written and of one that isn't", "[ctl]") {
  const Served served = served_in_each_way();
  const auto point = served.point();

  const auto versions = json_of({"version", point}).at(0);
  CHECK(versions.at("daemon").at("version") == versions.at("mmapdirctl"));
  CHECK(output_of({"log-level", point, "debug"}) == "log level debug, before info\n");
  CHECK(output_of({"log-level", point, "info"}) == "log level info, before debug\n");
  CHECK_THAT(output_of({"clear-cache", point}), ContainsSubstring("forgot "));
  CHECK(json_of({"warm", point, "*.idx"}).back().at("resident_bytes") == 2 * kFileSize);
  check_fails({"map", point, "no*such"}, 1, "no*such");
}

TEST_CASE("An ordinary user steers a mount of his own", "[ctl]") {
  require_ordinary_user();
  const Served served({}, ordinary_user());
  CHECK(output_of({"log-level", served.point(), "debug"}, served.user()) ==
        "log level debug, before info\n");
  CHECK(json_of({"clear-cache", served.point()}, served.user()).size() == 1);
}

TEST_CASE("A stranger may look, and is told that he may not steer", "[ctl]") {
  require_ordinary_user();
  const Served served({"-o", "allow_other"});
  const User stranger = ordinary_user();
  CHECK_THAT(output_of({"status", served.point()}, stranger), ContainsSubstring("mount "));
  check_fails({"clear-cache", served.point()}, 1, "only root and the user who runs", stranger);
}

TEST_CASE("The control directory is found by the name that the mount gave it", "[ctl]") {
  require_root();
  require_fuse();
  const Served served({"--control=.ctl"});
  CHECK_THAT(output_of({"status", "-C", ".ctl", served.point()}), ContainsSubstring("mount "));
  check_fails({"status", served.point()}, 1, "-C NAME");
  check_fails({"status", "--control=a/b", served.point()}, 2, "without '/'");
}

TEST_CASE("A mount without a control directory is named as such", "[ctl]") {
  require_root();
  require_fuse();
  const Served served({"--control=off"});
  check_fails({"status", served.point()}, 1, "--control=off");
}

TEST_CASE("What isn't a mount of mmapdirfs is refused with where there is one", "[ctl]") {
  require_root();
  require_fuse();
  const Served served;
  std::filesystem::create_directory(served.source() / "inside");
  const TemporaryDirectory elsewhere;
  check_fails({"status", elsewhere.path()}, 1, "isn't a mount of mmapdirfs");
  check_fails({"status", elsewhere.path()}, 1, fmt::format("'{}'", served.point()));
  check_fails({"status", served.point() + "/inside"}, 1, "lies inside the mount '");
  check_fails({"status", elsewhere / "nothing"}, 1, "No such file or directory");

  std::filesystem::create_directory(elsewhere / ".mmapdirfs");
  write_file(elsewhere / ".mmapdirfs/status", "{}");
  check_fails({"status", elsewhere.path()}, 1, "isn't a mount of mmapdirfs");
}

TEST_CASE("A dead mount is told with the way out of it", "[ctl]") {
  require_root();
  require_fuse();
  const Served served;
  served.mount().daemon().signal(SIGKILL);
  REQUIRE(served.mount().daemon().wait(kPatience));
  check_fails({"status", served.point()}, 1, fmt::format("fusermount3 -u '{}'", served.point()));
  CHECK(ctl({"doctor", served.point()}).status == 1);
  CHECK(served.mount().unmount() == 0);
}

// What mincore(2) says of a file of the source, in another process's eyes: bytes in memory.
std::uint64_t resident_bytes(const std::filesystem::path& path) {
  const Outcome outcome = run({"fincore", "--bytes", "--noheadings", "--output=RES", path});
  REQUIRE(outcome.status == 0);
  return std::stoull(outcome.output);
}

// All of it but what the kernel may have dropped again: some look for cold pages all the time.
bool is_in_memory(std::uint64_t bytes) { return bytes <= kFileSize && bytes >= kFileSize / 10 * 9; }

void drop_pages(const std::filesystem::path& path) {
  const UniqueFd file = open_fd(path, O_RDONLY);
  must(::fsync(file.get()), "fsync");
  must(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
}

TEST_CASE("files and top list what is open, and map what is in memory", "[ctl]") {
  const Served served = served_by_each();
  const auto& user = served.user();
  const auto point = served.point();
  // Root may not look into an ordinary user's mount, so its user reads.
  const Process reader = Process::program(
      {"sh", "-c", "exec 3< \"$0/a.idx\"; cat <&3 >/dev/null; read x", point}, {.user = user});
  REQUIRE(
      eventually([&] { return ctl({"files", point}, user).output.contains("a.idx"); }, kPatience));
  const auto file = json_of({"files", point}, user).at(0);
  CHECK(file.at("path") == "a.idx");
  CHECK(file.at("size") == kFileSize);
  CHECK_THAT(output_of({"top", "--once", "--interval=0.1", point}, user),
             ContainsSubstring("a.idx"));

  const auto map = json_of({"map", point, "a.idx", "--cells=8"}, user).at(0);
  CHECK(is_in_memory(map.at("resident_bytes")));
  CHECK(is_in_memory(resident_bytes(served.source() / "a.idx")));
  CHECK(map.at("cells").size() == 8);
  CHECK_THAT(output_of({"map", point}, user), ContainsSubstring("b c\\n.idx"));
}

TEST_CASE("warm brings files into memory, in the words of other programs too", "[ctl]") {
  const Served served = served_by_each();
  const auto path = served.source() / "a.idx";
  drop_pages(path);
  const auto warmed = json_of({"warm", served.point(), "*.idx"}, served.user()).back();
  CHECK(warmed.at("files") == 2);
  CHECK(warmed.at("asked_bytes") == 2 * kFileSize);
  CHECK(is_in_memory(resident_bytes(path)));
  CHECK_THAT(output_of({"warm", served.point(), "b c*"}, served.user()),
             ContainsSubstring("asked for 1.0 MiB in 1 file"));
}

TEST_CASE("A pattern that matches nothing is named", "[ctl]") {
  require_root();
  require_fuse();
  const Served served;
  for (const auto* verb : {"warm", "pin", "map"}) {
    check_fails({verb, served.point(), "no*such"}, 1, "no*such");
  }
  check_fails({"warm", served.point(), "--", "--such"}, 1, "--such");
}

TEST_CASE("pin keeps, pins lists and unpin lets go", "[ctl]") {
  require_root();
  require_fuse();
  const Served served;
  const auto point = served.point();
  CHECK_THAT(output_of({"pin", point, "a.idx"}),
             ContainsSubstring("pinned 1.0 MiB of 1.0 MiB intended, 1 file\n"));
  const auto pins = json_of({"pins", point});
  REQUIRE(pins.size() == 1);
  CHECK(pins[0].at("pinned_bytes") == kFileSize);
  drop_pages(served.source() / "a.idx");
  CHECK(resident_bytes(served.source() / "a.idx") == kFileSize);

  const Outcome over = ctl({"pin", point, "--budget=4K", "b c*"});
  CHECK(over.status == 1);
  CHECK_THAT(over.output, ContainsSubstring("budget"));
  check_fails({"pin", point, "--budget=1000000T", "*"}, 2, "allowed is its memory");
  CHECK_THAT(output_of({"unpin", point, "a.idx"}), ContainsSubstring("unpinned 1.0 MiB of 1 file"));
}

TEST_CASE("A hot set that was saved is loaded again", "[ctl]") {
  const Served served = served_by_each();
  const TemporaryDirectory elsewhere;
  must(::chmod(elsewhere.path().c_str(), 0777), "chmod");
  const auto file = (elsewhere / "hot set").string();
  output_of({"warm", served.point(), "*.idx"}, served.user());
  CHECK_THAT(output_of({"hot", "save", served.point(), file}, served.user()),
             ContainsSubstring("saved 2.0 MiB of 2 files"));
  drop_pages(served.source() / "a.idx");
  CHECK_THAT(output_of({"hot", "load", served.point(), file}, served.user()),
             ContainsSubstring("loaded 2.0 MiB of 2 files"));
  CHECK(is_in_memory(resident_bytes(served.source() / "a.idx")));

  write_file(elsewhere / "foreign", "no hot set");
  check_fails({"hot", "load", served.point(), elsewhere / "foreign"}, 1, "foreign", served.user());
}

TEST_CASE("Ctrl-C cancels warm, which says what it did", "[ctl]") {
  const Served served = served_in_each_way();
  drop_pages(served.source() / "a.idx");
  const TemporaryDirectory scratch;
  const UniqueFd output = open_fd(scratch / "output", O_WRONLY | O_CREAT);
  // So slow that it never ends by itself.
  Process warm =
      Process::program({MMAPDIRCTL_PROGRAM, "warm", "--json", "--rate=1K", served.point(), "a.idx"},
                       {.standard_output = output.get()});
  REQUIRE(
      eventually([&] { return read_file(scratch / "output").contains("progress"); }, kPatience));
  warm.signal(SIGINT);
  CHECK(warm.wait(kPatience) == 1);
  CHECK_THAT(read_file(scratch / "output"), ContainsSubstring(R"("stopped_by":"cancel")"));
  CHECK(json_of({"version", served.point()}).size() == 1);
}

}  // namespace
}  // namespace mmapdir::test
