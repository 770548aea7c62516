// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <string>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

constexpr off_t kTebibyte = off_t{1} << 40U;
constexpr off_t kPage = 65'536;  // or several

TEST_CASE("A sparse file of 1 TiB reads at its end", "[sparse_file]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string end = pattern(10'000, 1);
  {
    const UniqueFd file = open_fd(source / "sparse", O_WRONLY | O_CREAT);
    if (::ftruncate(file.get(), kTebibyte) != 0 && errno == EFBIG) {
      skip("the file system of " + source.path().string() + " has no files of 1 TiB");
    }
    write_at(file.get(), end, kTebibyte - static_cast<off_t>(end.size()));
  }
  const Mount mount(source.path(), {.options = path});
  const UniqueFd file = open_fd(mount / "sparse", O_RDONLY);
  CHECK(::lseek(file.get(), 0, SEEK_END) == kTebibyte);
  const auto begin = kTebibyte - static_cast<off_t>(end.size());
  CHECK(difference(read_at(file.get(), 20'000, begin - 5'000), std::string(5'000, '\0') + end)
            .empty());
  CHECK(read_at(file.get(), 1, kTebibyte).empty());
  CHECK(read_at(file.get(), 100, kTebibyte / 2) == std::string(100, '\0'));

  void* mapped = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file.get(), kTebibyte - kPage);
  must(mapped == MAP_FAILED ? -1 : 0, "mmap");
  const std::string_view page(static_cast<const char*>(mapped), kPage);
  CHECK(difference(page.substr(page.size() - end.size()), end).empty());
  CHECK(::munmap(mapped, kPage) == 0);
}

}  // namespace
}  // namespace mmapdir::test
