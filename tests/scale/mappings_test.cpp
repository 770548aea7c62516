// SPDX-License-Identifier: MIT
// Many more files are in use at once than the daemon may map.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "scale/daemon_figures.h"
#include "scale/kernel_caches.h"
#include "scale/sizes.h"
#include "support/files.h"
#include "support/mount.h"
#include "support/requirements.h"

namespace mmapdir::test {
namespace {

constexpr std::size_t kFileSize = 5'000;  // two pages
constexpr std::size_t kMostMappings = 1'000;
constexpr std::size_t kOtherDescriptors = 2'000;  // the daemon's, and some to spare

std::string content_of(std::size_t number) {
  return pattern(kFileSize, static_cast<std::uint32_t>(number));
}

// Each mapped file is open in the daemon, which may have as many descriptors as the test.
std::size_t descriptors_to_be_had(std::size_t wanted) {
  rlimit limit{};
  must(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const rlimit raised{.rlim_cur = wanted, .rlim_max = std::max<rlim_t>(wanted, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
    return wanted;
  }
  return std::min<std::size_t>(wanted, limit.rlim_max);  // CAP_SYS_RESOURCE is missing
}

struct Unmap {
  void operator()(const char* bytes) const { ::munmap(const_cast<char*>(bytes), kFileSize); }
};
using MappedFile = std::unique_ptr<const char, Unmap>;

MappedFile map_file(const std::filesystem::path& path) {
  const UniqueFd fd = open_fd(path, O_RDONLY);
  void* bytes = ::mmap(nullptr, kFileSize, PROT_READ, MAP_SHARED, fd.get(), 0);
  must(bytes == MAP_FAILED ? -1 : 0, "mmap");
  return MappedFile(static_cast<const char*>(bytes));
}

TEST_CASE("Very many mapped files read right within the daemon's bound of mappings", "[mappings]") {
  require_root();  // to empty the kernel's caches
  const std::size_t count = sizes().mapped;
  const std::size_t at_once = descriptors_to_be_had(count + kOtherDescriptors) - kOtherDescriptors;
  const TemporaryDirectory source;
  for (std::size_t i = 0; i < count; ++i) {
    write_file(source / std::to_string(i), content_of(i));
  }
  Mount mount(source.path(),
              {.options = {"--read-path=mapped", fmt::format("--max-mappings={}", kMostMappings)}});
  std::vector<MappedFile> files(count);
  std::size_t wrong = 0;
  std::size_t most = 0;
  const auto check = [&](std::size_t number) {
    if (!files[number]) {
      files[(number + count - at_once) % count]
          .reset();  // the one mapped first, of those there are
      files[number] = map_file(mount / std::to_string(number));
    }
    wrong += std::memcmp(files[number].get(), content_of(number).data(), kFileSize) == 0 ? 0U : 1U;
    if (number % 500 == 0) {
      most = std::max(most, mappings_beneath(mount.daemon().pid(), source.path()));
    }
  };
  for (std::size_t i = 0; i < count; ++i) {
    check(i);
  }
  // Once more, with the kernel's pages gone.
  drop_kernel_caches(kPages);
  for (std::size_t i = 0; i < count; ++i) {
    check(i);
  }
  fmt::print("{} mapped files, {} at once: {} mappings of the daemon at most, {} kB of memory\n",
             count, at_once, most, resident_memory(mount.daemon().pid()) / 1'024);
  CHECK(wrong == 0);
  CHECK(most > 0);
  CHECK(most <= kMostMappings);
}

}  // namespace
}  // namespace mmapdir::test
