// SPDX-License-Identifier: MIT
// Commands given to `.mmapdirfs/control`, good ones and rubbish.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "control/control_ioctl.h"
#include "support/control_client.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

int try_to_open(const std::filesystem::path& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  return fd ? 0 : -1;
}

TEST_CASE("A mount says which version it is", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  const std::string answer = control(mount.root(), "version");
  CHECK(answer.starts_with("{\"event\":\"result\",\"version\":\""));
  CHECK(answer.contains("\"libfuse\":\"3."));
  CHECK(answer.ends_with(kDone));
}

TEST_CASE("How much a mount logs can be changed while it serves", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  CHECK(control(mount.root(), "log-level debug") ==
        "{\"event\":\"result\",\"level\":\"debug\",\"before\":\"info\"}\n" + std::string(kDone));
  CHECK(::getxattr(mount.root().c_str(), "user.none", nullptr, 0) == -1);
  CHECK(mount.log().contains("debug"));
  CHECK(control(mount.root(), "log-level info").contains("\"before\":\"debug\""));
  const std::string refused = control(mount.root(), "log-level loud");
  CHECK(refused.contains("\"errno\":22"));
  CHECK(refused.contains("error, warn, info, debug"));
}

TEST_CASE("A command that is wrong is told what is wrong and what is allowed", "[control]") {
  struct Mistake {
    std::string line;
    std::string wrong;
    std::string allowed;
  };
  const TemporaryDirectory source;
  const Mount mount(source.path());
  const std::string inside = mount / "hot";
  const std::vector<Mistake> mistakes{
      {"nonsense", "no such command: 'nonsense'", "allowed are version, log-level"},
      {"version now", "version is given 1 words, which are too many", "usage: version"},
      {"pin", "pin is given 0 words, which are too few", "usage: pin [--budget=BYTES] PATTERN..."},
      {"warm --speed=1 *", "warm has no option --speed", "usage: warm [--rate=BYTES/S]"},
      {"warm --rate=1 --rate=2 *", "--rate is given twice", "allowed is once"},
      {"warm --rate *", "--rate=:", "a whole number from 1"},
      {"pin --budget=1.5 *", "--budget=1.5", "a whole number from 0"},
      {"map --cells=0", "--cells=0", "from 1 to 4096"},
      {"log-level loud", "no such level: 'loud'", "allowed are error, warn, info, debug"},
      {"hot-save relative", "hot-save relative: the path is relative", "begins with '/'"},
      {"hot-save " + inside, "lies in the mount itself", "allowed is a file outside of it"},
      {"map a//b", "'a//b': it holds an empty name", "allowed is one '/' between two names"},
      {"warm [a", "'[a': it holds a '['", "allowed are '[...]'"},
      {"unpin \"\"", "read the pattern: it is empty", "allowed is a glob"},
      {"map \"open", "a quote isn't closed", "allowed is"},
      {"map end\\", "ends with a backslash", "allowed is"},
      {std::string("map \0", 5), "holds a NUL byte", "allowed is text without any"},
      {std::string(70'000, 'x'), "the command is too long", "allowed is a line of at most"},
  };
  for (const Mistake& mistake : mistakes) {
    const ControlClient client(mount.root(), O_RDWR);
    client.give(mistake.line);
    const std::string answer = client.answers();
    CAPTURE(mistake.line.substr(0, 100), answer);
    CHECK(answer.contains("\"event\":\"failed\""));
    CHECK(answer.contains(mistake.wrong));
    CHECK(answer.contains(mistake.allowed));
  }
}

TEST_CASE("A read-only mount takes commands by ioctl", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"-oro"}});
  CHECK(control_by_ioctl(mount.root(), "version").ends_with(kDone));
  CHECK(control_by_ioctl(mount.root(), "nonsense").contains("no such command"));
  CHECK(try_to_open(mount / ".mmapdirfs/control", O_RDWR) == -1);
  CHECK(errno == EROFS);
}

// A command and its answers as control_ioctl.h tells of conversations; the number stays in `call`.
std::string converse(int fd, mmapdirfs::ControlConversation& call, std::string_view line) {
  std::ranges::copy(line, std::begin(call.text));
  call.text[line.size()] = '\0';
  must(::ioctl(fd, mmapdirfs::kControlAsk, &call), "ask");
  std::string all;
  while (true) {
    must(::ioctl(fd, mmapdirfs::kControlListen, &call), "listen");
    if (call.size == 0) {
      return all;
    }
    all.append(std::begin(call.text), call.size);
  }
}

TEST_CASE("A mount whose opens send no message converses by number", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path(), {.options = {"-oro", "--cache=always", "--read-path=mapped"}});
  const UniqueFd file = open_fd(mount / ".mmapdirfs/control", O_RDONLY);
  mmapdirfs::ControlConversation call{};
  CHECK(converse(file.get(), call, "version").ends_with(kDone));
  const auto first = call.number;
  CHECK(converse(file.get(), call, "nonsense").contains("no such command: 'nonsense'"));
  CHECK(call.number != first);
  // It is over, and no other has its number.
  CHECK(::ioctl(file.get(), mmapdirfs::kControlListen, &call) == -1);
  CHECK(errno == EBADF);
  std::ranges::fill(call.text, 'x');
  CHECK(::ioctl(file.get(), mmapdirfs::kControlAsk, &call) == -1);
  CHECK(errno == EINVAL);
  CHECK(ControlClient(mount.root(), O_RDONLY).give("version") == ENOTTY);
}

TEST_CASE("After clear-cache the kernel asks the daemon again", "[control]") {
  const TemporaryDirectory source;
  write_file(source / "file", pattern(100'000, 1));
  // Nobody tells the kernel of changes on the source here.
  const Mount mount(source.path(), {.options = {"--read-path=mapped", "--cache=always"}});
  CHECK(read_file(mount / "file").size() == 100'000);
  struct stat before{};
  must(::stat((mount / "file").c_str(), &before), "stat");
  write_file(source / "file", pattern(50'000, 2));
  must(::stat((mount / "file").c_str(), &before), "stat");
  CHECK(before.st_size == 100'000);  // the twin: without clear-cache this stays

  const std::string answer = control(mount.root(), "clear-cache");
  CHECK(answer.contains("\"inodes\":2"));
  CHECK(answer.ends_with(kDone));
  struct stat after{};
  must(::stat((mount / "file").c_str(), &after), "stat");
  CHECK(after.st_size == 50'000);
  CHECK(difference(read_file(mount / "file"), pattern(50'000, 2)).empty());
}

TEST_CASE("clear-cache says how much was mapped", "[control]") {
  const TemporaryDirectory source;
  write_file(source / "file", pattern(100'000, 1));
  const Mount mount(source.path(), {.options = {"--read-path=mapped", "--cache=never"}});
  CHECK(read_file(mount / "file").size() == 100'000);
  CHECK(eventually([&] {
    // The file's last handle goes when the kernel says so, which may be after close.
    return control(mount.root(), "clear-cache").contains("\"mappings\":1,\"mapped_bytes\":100000,");
  }));
  CHECK(control(mount.root(), "clear-cache").contains("\"mappings\":0,\"mapped_bytes\":0,"));
}

TEST_CASE("Rubbish is answered, and the daemon goes on", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  for (const std::string& rubbish :
       {std::string("nonsense"), std::string("version please"), std::string("\"version"),
        std::string("--version"), std::string(1, '\0'), std::string("version\0", 8),
        pattern(1'000'000, 3), std::string(5'000, 'v')}) {
    const ControlClient shell(mount.root(), O_WRONLY);
    CHECK(::write(shell.fd(), (rubbish + "\n").data(), rubbish.size() + 1) == -1);
    CHECK(errno == EINVAL);
  }
  const ControlClient client(mount.root(), O_RDWR);
  const std::string bytes = pattern(300'000, 4) + "\n";
  const ssize_t written = ::write(client.fd(), bytes.data(), bytes.size());
  CHECK((written > 0 || errno == EBUSY));
  CHECK(control(mount.root(), "version").ends_with(kDone));
  CHECK(::ioctl(client.fd(), _IOW('m', 2, std::uint64_t), bytes.data()) == -1);
  CHECK(errno == ENOTTY);
}

TEST_CASE("A thousand commands at once are all answered", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  std::vector<ControlClient> clients;
  clients.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    clients.emplace_back(mount.root(), O_RDWR);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    CHECK(clients[i].give(i % 2 == 0 ? "clear-cache" : "version") == 0);
  }
  CHECK(std::ranges::all_of(
      clients, [](const ControlClient& client) { return client.answers().ends_with(kDone); }));
}

TEST_CASE("Clients that go away right after their command do no harm", "[control]") {
  const TemporaryDirectory source;
  const Mount mount(source.path());
  for (int i = 0; i < 200; ++i) {
    const ControlClient client(mount.root(), i % 2 == 0 ? O_RDWR : O_WRONLY);
    CHECK(client.give("clear-cache") == 0);
  }
  CHECK(control(mount.root(), "version").ends_with(kDone));
}

TEST_CASE("A mount ends while commands are under way", "[control]") {
  const TemporaryDirectory source;
  Mount mount(source.path());
  for (int i = 0; i < 100; ++i) {
    CHECK(ControlClient(mount.root(), O_WRONLY).give("clear-cache") == 0);
  }
  CHECK(mount.unmount() == 0);
  CHECK(mount.daemon().wait(kPatience) == 0);
}

TEST_CASE("Only root and the daemon's user control a mount", "[control]") {
  require_ordinary_user();
  const User user = ordinary_user();
  const TemporaryDirectory source;
  {
    const Mount mount(source.path(), {.options = {"-oallow_other"}});
    const auto control_file = mount / ".mmapdirfs/control";
    for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR}) {
      CHECK(errno_as(user, [&] { return try_to_open(control_file, flags); }) == EACCES);
    }
    CHECK(errno_as(user, [&] { return try_to_open(mount / ".mmapdirfs/config", O_RDONLY); }) == 0);
    CHECK(errno_as(user, [&] { return ::truncate(control_file.c_str(), 0); }) != 0);
  }
  const Mount own(source.path(), {.user = user});
  const Outcome outcome = run_function(
      [&] { return control(own.root(), "clear-cache").ends_with(kDone) ? 0 : 1; }, {.user = user});
  CAPTURE(outcome.error);
  CHECK(outcome.status == 0);
}

}  // namespace
}  // namespace mmapdir::test
