// SPDX-License-Identifier: MIT
// A large directory is listed while names come and go.

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "scale/sizes.h"
#include "support/files.h"
#include "support/mount.h"

namespace mmapdir::test {
namespace {

constexpr int kListings = 3;

std::string steady_name(std::size_t number) { return fmt::format("steady-{:06}", number); }

// Makes, renames and removes files of passing names until it goes.
class Changer {
 public:
  explicit Changer(std::filesystem::path directory)
      : directory_(std::move(directory)), thread_([this](const std::stop_token& stop) {
          for (std::size_t i = 0; !stop.stop_requested(); ++i) {
            change(i);
          }
        }) {}

  std::size_t changes() const { return changes_; }
  void wait_for_another() const { changes_.wait(changes_); }
  bool failed() const { return failed_; }

 private:
  static constexpr std::size_t kPassing = 500;  // at a time

  std::string passing(std::size_t number) const {
    return directory_ / fmt::format("passing-{:09}", number);
  }

  void change(std::size_t i) {
    const UniqueFd made(::open(passing(2 * i).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    bool done = made && ::rename(passing(2 * i).c_str(), passing((2 * i) + 1).c_str()) == 0;
    if (i >= kPassing) {
      done = done && ::unlink(passing((2 * (i - kPassing)) + 1).c_str()) == 0;
    }
    failed_ = failed_ || !done;
    ++changes_;
    changes_.notify_one();
  }

  std::filesystem::path directory_;
  std::atomic<std::size_t> changes_ = 0;
  std::atomic<bool> failed_ = false;
  std::jthread thread_;
};

// Lists at the pace of the changes, so that some happen between two parts however busy the machine
// is.
std::map<std::string, int> list(const std::filesystem::path& directory, const Changer& changer) {
  constexpr std::size_t kNamesPerChange = 100;
  std::size_t listed = 0;
  std::map<std::string, int> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
  REQUIRE(stream);
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {  // NOLINT(concurrency-mt-unsafe): its own
    ++names[static_cast<const char*>(entry->d_name)];
    if (++listed % kNamesPerChange == 0) {
      changer.wait_for_another();
      errno = 0;
    }
  }
  REQUIRE(errno == 0);
  return names;
}

TEST_CASE("A large directory lists each name that stays exactly once while others come and go",
          "[listing]") {
  const auto& options =
      GENERATE(std::vector<std::string>{}, std::vector<std::string>{"--cache=never"});
  const bool through_mount = GENERATE(false, true);
  const std::size_t count = sizes().listed;
  const TemporaryDirectory source;
  for (std::size_t i = 0; i < count; ++i) {
    write_file(source / steady_name(i), "");
  }
  const Mount mount(source.path(), {.options = options});
  const Changer changer(through_mount ? mount.root() : source.path());
  for (int i = 0; i < kListings; ++i) {
    const std::size_t before = changer.changes();
    const auto names = list(mount.root(), changer);
    CHECK(changer.changes() > before);
    std::size_t missing = 0;
    std::size_t repeated = 0;
    for (std::size_t number = 0; number < count; ++number) {
      const auto found = names.find(steady_name(number));
      missing += found == names.end() ? 1U : 0U;
      repeated += found != names.end() && found->second > 1 ? 1U : 0U;
    }
    CHECK(missing == 0);
    CHECK(repeated == 0);
    fmt::print("{} names listed during {} changes {}\n", names.size(), changer.changes() - before,
               through_mount ? "through the mount" : "on the source");
  }
  CHECK_FALSE(changer.failed());
}

}  // namespace
}  // namespace mmapdir::test
