// SPDX-License-Identifier: MIT
// A daemon that runs as root gives nobody what the source keeps for root or beyond a quota.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <csignal>

#include "parity_answer.h"
#include "support/disk_image.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

using Path = std::filesystem::path;

struct statvfs space_of(const Path& path) {
  struct statvfs space{};
  must(::statvfs(path.c_str(), &space), "statvfs");
  return space;
}

// Each of these takes what there is, and then some.
int fill_by_writing(const Path& file) {
  const UniqueFd fd = open_fd(file, O_RDWR | O_CREAT);
  const std::string block(100'000, 'w');
  while (::write(fd.get(), block.data(), block.size()) > 0) {
  }
  return errno == ENOSPC ? 0 : 1;
}

int fill_by_allocating(const Path& file) {
  const UniqueFd fd = open_fd(file, O_RDWR | O_CREAT);
  for (off_t end = 0; ::fallocate(fd.get(), 0, end, 100'000) == 0; end += 100'000) {
  }
  return errno == ENOSPC ? 0 : 1;
}

// The source ends such a writer with SIGBUS, at the page for which there is no room; where the
// pages are FUSE's own, the kernel learns of it as it writes them back.
int fill_by_mapping(const Path& file) {
  ::signal(SIGBUS, SIG_DFL);  // a sanitizer would catch it
  const UniqueFd fd = open_fd(file, O_RDWR | O_CREAT);
  constexpr std::size_t kSize = 40U << 20U;
  must(::ftruncate(fd.get(), kSize), "ftruncate");
  void* mapped = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  std::fill_n(static_cast<char*>(mapped), kSize, 'm');
  return ::msync(mapped, kSize, MS_SYNC) == -1 && errno == ENOSPC ? 0 : 1;
}

TEST_CASE("Blocks that the source keeps for root stay root's", "[reserved_space]") {
  require_ordinary_user();
  require_disk_images("ext4");
  const ReadPath path = each_read_path();
  const TemporaryDirectory all;
  DiskImage::make(all / "image", 32U << 20U, "ext4", {"-m", "25"});
  const DiskImage source(all / "image", all / "source");
  std::filesystem::permissions(source.path(), std::filesystem::perms::all);
  const Mount mount(source.path(), {.options = with_option(path, "-oallow_other")});
  const auto before = space_of(source.path());
  const auto reserved = before.f_bfree - before.f_bavail;
  REQUIRE(reserved > 1'000);
  for (const auto& [fill, statuses] : {std::pair{&fill_by_writing, std::vector{0}},
                                       {&fill_by_allocating, std::vector{0}},
                                       {&fill_by_mapping, std::vector{0, 128 + SIGBUS}}}) {
    const Outcome outcome =
        run_function([&, how = fill] { return how(mount / "file"); }, {.user = ordinary_user()});
    CAPTURE(outcome.error);
    CHECK(std::ranges::count(statuses, outcome.status) == 1);
    ::sync();
    CHECK(space_of(source.path()).f_bfree > reserved - 100);
    CHECK(space_of(source.path()).f_bavail < 100);
    write_file(mount / "roots", std::string(1'000'000, 'r'));
    must(::fsync(open_fd(mount / "roots", O_RDONLY).get()), "fsync");
    must(::unlink((mount / "roots").c_str()), "unlink");
    must(::unlink((mount / "file").c_str()), "unlink");
    CHECK(eventually([&] { return space_of(source.path()).f_bavail > before.f_bavail - 100; }));
  }
}

// What a program with a quota gets to hear, and what it has then.
std::vector<std::string> exceed_quota(const Path& root) {
  std::vector<std::string> answers;
  const UniqueFd fd = open_fd(root / "file", O_RDWR | O_CREAT);
  const std::string content = pattern(10'000'000, 1);
  off_t done = 0;
  ssize_t n = 0;
  while ((n = ::pwrite(fd.get(), content.data() + done, 100'000, done)) > 0) {
    done += n;
  }
  answers.push_back(errno_name(errno));
  answers.emplace_back(done > 1'000'000 && done < 5'000'000 ? "the quota" : "other");
  const std::string kept = read_at(fd.get(), content.size(), 0);
  answers.push_back(difference(kept, content.substr(0, static_cast<std::size_t>(done))));
  answers.push_back(answer([&] { return ::fsync(fd.get()); }));
  answers.push_back(answer([&] { return ::fallocate(fd.get(), 0, 0, 10'000'000); }));
  answers.push_back(answer([&] { return ::ftruncate(fd.get(), 0); }));
  answers.push_back(answer([&] { return ::fsync(fd.get()); }));
  answers.push_back(answer([&] { return ::pwrite(fd.get(), "again", 5, 0); }));
  answers.push_back(answer([&] { return ::fsync(fd.get()); }));
  answers.push_back(answer([&] { return ::unlink((root / "file").c_str()); }));
  return answers;
}

TEST_CASE("A quota holds, and the program is told so", "[reserved_space]") {
  require_root();
  require_disk_images("btrfs");
  const ReadPath path = each_read_path();
  const TemporaryDirectory all;
  DiskImage::make(all / "image", 128U << 20U, "btrfs");
  const DiskImage disk(all / "image", all / "disk");
  must_run({"btrfs", "quota", "enable", disk.path()});
  std::vector<std::vector<std::string>> answers;
  for (const char* name : {"mounted", "plain"}) {
    must_run({"btrfs", "subvolume", "create", disk / name});
    must_run({"btrfs", "qgroup", "limit", "3M", disk / name});
  }
  {
    const Mount mount(disk / "mounted", {.options = path});
    answers.push_back(exceed_quota(mount.root()));
  }
  answers.push_back(exceed_quota(disk / "plain"));
  CHECK(answers[0] == answers[1]);
  CHECK(answers[0].front() == "EDQUOT");
}

}  // namespace
}  // namespace mmapdir::test
