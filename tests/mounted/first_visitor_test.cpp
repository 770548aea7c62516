// SPDX-License-Identifier: MIT
// Who comes first to a mount is let in.

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>

#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"
#include "support/strace.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

// A mount whose daemon is slow to answer from the beginning on, and at which nobody has looked. A
// resource type.
class SlowMount {
 public:
  explicit SlowMount(const Path& source) : daemon_(start(source)) {
    // Before it has answered the kernel's INIT nobody is turned away.
    REQUIRE(eventually([&] { return read_file(log_).contains("mounted "); }, kPatience));
  }
  SlowMount(const SlowMount&) = delete;
  SlowMount& operator=(const SlowMount&) = delete;
  ~SlowMount() {
    ::umount2(point_.path().c_str(), MNT_DETACH);
    daemon_.wait(kPatience);
  }

  Path operator/(std::string_view name) const { return point_ / name; }

 private:
  // Over io_uring a visitor who is turned away has to come again.
  Process start(const Path& source) const {
    const UniqueFd log = open_fd(log_, O_WRONLY | O_CREAT | O_APPEND);
    return Process::program({"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=writev", "-e",
                             "inject=writev:delay_enter=20000", daemon_program(), "-f",
                             "--io-uring=off", "-oallow_other", source, point_.path()},
                            {.standard_output = log.get(), .standard_error = log.get()});
  }

  TemporaryDirectory point_;
  TemporaryDirectory others_;
  Path log_ = others_ / "log";
  Process daemon_;
};

// The kernel lets nobody in before it has been told the root's attributes, and doesn't keep an
// answer that a change overtakes.
TEST_CASE("A user is let into a mount whose root changes from its beginning on", "[rights]") {
  require_fuse();
  require_strace();
  require_ordinary_user();
  const TemporaryDirectory source;
  write_file(source / "file", "bytes");
  must(::chmod(source.path().c_str(), 0755), "chmod");
  const Process writer = Process::call([&] {
    for (;;) {
      write_file(source / "passing", "");
      std::filesystem::remove(source / "passing");
    }
    return 0;
  });
  for (int i = 0; i < 5; ++i) {
    const SlowMount mount(source.path());
    CHECK(errno_as(ordinary_user(), [&] { return ::access((mount / "file").c_str(), F_OK); }) == 0);
  }
}

}  // namespace
}  // namespace mmapdir::test
