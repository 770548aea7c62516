// SPDX-License-Identifier: MIT
// The command line's messages say what was wrong and what is allowed; its statuses tell a mistake
// of the user's (2) from a failure (1).

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "ctl/fake_mount.h"
#include "ctl/verbs.h"

namespace mmapdirfs::ctl::test {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string refusal(const std::vector<std::string>& arguments) {
  FakeMount mount;
  const auto ran = run_on(mount, arguments);
  CHECK(ran.status == 2);
  CHECK(ran.output.empty());
  CHECK(mount.asked.empty());
  CHECK_THAT(ran.messages, ContainsSubstring("mmapdirctl: "));
  return ran.messages;
}

TEST_CASE("Each verb tells its usage when asked for help", "[ctl]") {
  FakeMount mount;
  for (const auto& verb : verbs()) {
    std::vector<std::string> arguments{std::string(verb.name), "--help"};
    if (const auto blank = verb.name.find(' '); blank != std::string_view::npos) {
      arguments = {std::string(verb.name.substr(0, blank)),
                   std::string(verb.name.substr(blank + 1)), "--help"};
    }
    const auto ran = run_on(mount, arguments);
    CHECK(ran.status == 0);
    CHECK_THAT(ran.output, ContainsSubstring("Usage: mmapdirctl " + std::string(verb.name)) &&
                               ContainsSubstring("--json") && ContainsSubstring("--control"));
  }
  const auto all = run_on(mount, {"--help"});
  CHECK(all.status == 0);
  for (const auto& verb : verbs()) {
    CHECK_THAT(all.output, ContainsSubstring(std::string(verb.summary)));
  }
}

TEST_CASE("A verb that doesn't exist is refused with the names of those that do", "[ctl]") {
  CHECK_THAT(refusal({}), ContainsSubstring("a verb is missing") && ContainsSubstring("status"));
  CHECK_THAT(refusal({"stat", "/mnt"}),
             ContainsSubstring("no such verb: 'stat'") && ContainsSubstring("clear-cache"));
  CHECK_THAT(refusal({"\x1b[2J", "/mnt"}), ContainsSubstring("'\\x1b[2J'"));
}

TEST_CASE("Words and options that a verb doesn't take are refused with its usage", "[ctl]") {
  CHECK_THAT(refusal({"status"}),
             ContainsSubstring("missing") && ContainsSubstring("status [options] MOUNTPOINT"));
  CHECK_THAT(refusal({"status", "/mnt", "more"}), ContainsSubstring("too many words"));
  CHECK_THAT(refusal({"log-level", "/mnt"}), ContainsSubstring("MOUNTPOINT LEVEL"));
  CHECK_THAT(refusal({"status", "--nonsense", "/mnt"}), ContainsSubstring("nonsense"));
  CHECK_THAT(refusal({"log-level", "/mnt", "loud"}),
             ContainsSubstring("'loud'") && ContainsSubstring("error, warn, info, debug"));
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
