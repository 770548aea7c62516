// SPDX-License-Identifier: MIT
// A hot set whose load is ended before it is done.

#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "support/control_client.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

// Holds each opening of a directory's files until the test lets it go on, or lets go of all. A
// resource type.
class HeldOpens {
 public:
  explicit HeldOpens(const std::filesystem::path& directory)
      : group_(::fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY)) {
    must(group_.get(), "fanotify_init");
    const int marked =
        ::fanotify_mark(group_.get(), FAN_MARK_ADD, FAN_OPEN_PERM | FAN_EVENT_ON_CHILD, AT_FDCWD,
                        directory.c_str());
    if (marked != 0 && errno == EINVAL) {
      skip("the kernel asks nobody about openings (CONFIG_FANOTIFY_ACCESS_PERMISSIONS)");
    }
    must(marked, "fanotify_mark");
  }

  // Whether one is held before the patience is over.
  bool wait() const {
    pollfd events{.fd = group_.get(), .events = POLLIN, .revents = 0};
    const std::chrono::milliseconds patience(kPatience);
    return ::poll(&events, 1, static_cast<int>(patience.count())) == 1;
  }

  void let_one_go_on() const {
    fanotify_event_metadata event{};  // there is room for one only
    if (::read(group_.get(), &event, sizeof event) == sizeof event) {
      const UniqueFd file(event.fd);
      const fanotify_response answer{.fd = event.fd, .response = FAN_ALLOW};
      must(::write(group_.get(), &answer, sizeof answer), "let an opening go on");
    }
  }

 private:
  UniqueFd group_;
};

void drop_pages(const std::filesystem::path& path) {
  const UniqueFd file = open_fd(path, O_RDONLY);
  must(::fsync(file.get()), "fsync");
  must(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
}

TEST_CASE("A load that is ended before it is done leaves the hot set as it was", "[control]") {
  require_root();
  // One is let go on whenever the daemon hasn't ended for 100 ms: they last for a minute.
  constexpr int kFiles = 600;
  constexpr std::chrono::milliseconds kStep(100);
  const TemporaryDirectory source;
  std::filesystem::create_directory(source / "index");
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < kFiles; ++i) {
    files.push_back(source / ("index/" + std::to_string(i)));
    write_file(files.back(), "x");
  }
  const TemporaryDirectory elsewhere;
  const auto file = elsewhere / "hot";
  const MountSetup setup{.options = {"--hot-set=" + file.string()}};
  {
    const Mount mount(source.path(), setup);
    CHECK(eventually([&] { return read_file(mount / ".mmapdirfs/status").contains("\"loaded\""); },
                     kPatience));
    CHECK(control(mount.root(), "warm **").ends_with(kDone));
  }
  const std::string saved = read_file(file);
  CHECK(saved.contains("index/599"));
  for (const auto& path : files) {
    drop_pages(path);
  }

  std::optional<Mount> mount;  // ends when nothing is held any more
  const HeldOpens held(source / "index");
  mount.emplace(source.path(), setup);
  REQUIRE(held.wait());
  CHECK(read_file(*mount / ".mmapdirfs/status").contains("\"loading\""));
  mount->daemon().signal(SIGTERM);
  std::optional<int> status;
  for (int i = 0; i < kFiles && !status; ++i) {
    held.let_one_go_on();
    status = mount->daemon().wait(kStep);
  }
  CHECK(status == 0);
  CHECK_FALSE(mount->log().contains("hot set loaded"));
  CHECK(difference(read_file(file), saved).empty());
}

}  // namespace
}  // namespace mmapdir::test
