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

// A mistake, and what its message has to say: what is wrong, and what is allowed.
struct Mistake {
  std::vector<std::string> arguments;
  std::vector<std::string> wrong;
  std::vector<std::string> allowed;
};

TEST_CASE("Each mistake is told with what is wrong and with what is allowed", "[ctl]") {
  const std::vector<Mistake> mistakes{
      {{}, {"a verb is missing"}, {"allowed are", "status", "doctor"}},
      {{"stat", "/mnt"}, {"no such verb: 'stat'"}, {"allowed are", "clear-cache"}},
      {{"status"}, {"the mount point is missing"}, {"usage: mmapdirctl status"}},
      {{"status", ""}, {"the mount point is missing"}, {"usage: mmapdirctl status"}},
      {{"status", "/mnt", "a", "b"}, {"too many words, from 'a' on"}, {"[options] MOUNTPOINT"}},
      {{"log-level", "/mnt"}, {"a word is missing"}, {"MOUNTPOINT LEVEL"}},
      {{"log-level", "/mnt", "loud"}, {"'loud'"}, {"error, warn, info, debug"}},
      {{"status", "--nonsense", "/mnt"}, {"'--nonsense'"}, {"allowed are", "--json"}},
      {{"status", "--json=1", "/mnt"}, {"'--json'"}, {"allowed is --json: machine-readable"}},
      {{"map", "/mnt", "--cells"}, {"'--cells'", "missing"}, {"allowed is --cells="}},
      {{"map", "/mnt", "--cells=0"}, {"--cells=0"}, {"from 1 to 4096"}},
      {{"map", "/mnt", "--cells=1", "--cells=2"}, {"more than once"}, {"allowed is --cells="}},
      {{"pin", "/mnt", "--budget=much", "*"}, {"--budget=much"}, {"10M", "20%"}},
      {{"pin", "/mnt", "--budget=9E", "*"}, {"--budget=9E", "more than"}, {"at most"}},
      {{"warm", "/mnt", "--rate=0", "*"}, {"--rate=0"}, {"500K", "not 0"}},
      {{"warm", "/mnt", "--share=101", "*"}, {"--share=101"}, {"1% to 100%"}},
      {{"top", "/mnt", "--interval=0"}, {"--interval=0"}, {"0.1 to 3600"}},
  };
  for (const auto& mistake : mistakes) {
    const std::string message = refusal(mistake.arguments);
    CAPTURE(mistake.arguments, message);
    for (const auto& parts : {mistake.wrong, mistake.allowed}) {
      for (const std::string& part : parts) {
        CHECK_THAT(message, ContainsSubstring(part));
      }
    }
  }
}

}  // namespace
}  // namespace mmapdirfs::ctl::test
