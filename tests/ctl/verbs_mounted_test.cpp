// SPDX-License-Identifier: MIT
// Each verb against a real mount, as root and as an ordinary user, and what isn't such a mount.

#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
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
    mount_.emplace(source_.path(), MountSetup{.options = std::move(options), .user = user});
  }

  std::string point() const { return mount_->root().string(); }
  const TemporaryDirectory& source() const { return source_; }
  Mount& mount() { return *mount_; }
  const std::optional<User>& user() const { return user_; }

 private:
  std::optional<User> user_;
  TemporaryDirectory source_;
  std::optional<Mount> mount_;
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

TEST_CASE("Commands reach the daemon of a mount that is written and of one that isn't", "[ctl]") {
  require_root();
  require_fuse();
  const bool is_read_only = GENERATE(false, true);
  Served served(is_read_only ? Strings{"-o", "ro"} : Strings{});
  const auto point = served.point();

  const auto versions = json_of({"version", point}).at(0);
  CHECK(versions.at("daemon").at("version") == versions.at("mmapdirctl"));
  CHECK(output_of({"log-level", point, "debug"}) == "log level debug, before info\n");
  CHECK(output_of({"log-level", point, "info"}) == "log level info, before debug\n");
  CHECK_THAT(output_of({"clear-cache", point}), ContainsSubstring("forgot "));
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
  Served served;
  served.mount().daemon().signal(SIGKILL);
  REQUIRE(served.mount().daemon().wait(kPatience));
  check_fails({"status", served.point()}, 1, fmt::format("fusermount3 -u '{}'", served.point()));
  CHECK(ctl({"doctor", served.point()}).status == 1);
  CHECK(served.mount().unmount() == 0);
}

}  // namespace
}  // namespace mmapdir::test
