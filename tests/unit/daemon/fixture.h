// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.h"
#include "mmapdir/mapping_cache.h"
#include "support/files.h"
#include "support/temporary_directory.h"
#include "unit/daemon/fakes.h"

namespace mmapdirfs::test {

using mmapdir::test::must;
using mmapdir::test::open_fd;
using mmapdir::test::pattern;
using mmapdir::test::TemporaryDirectory;
using mmapdir::test::write_at;
using mmapdir::test::write_file;

// How a file system finds its files again: by handle, which takes CAP_DAC_READ_SEARCH, or by name.
enum class Reaching : std::uint8_t { kByHandle, kByName };

// Runs the rest of the test case in either way; the first is skipped where it isn't allowed.
Reaching each_reaching();

// The test itself, as a caller.
Caller self();

struct FixtureOptions {
  ReadPath read_path = ReadPath::kMapped;
  std::size_t cached_descriptors = 512;
  mmapdir::MappingLimits limits = mmapdir::MappingLimits::from_system();
  Reaching reaching = Reaching::kByName;
  bool labels_are_unused = false;
};

UniqueFd open_directory(const std::filesystem::path& path);

// Zero where there was no error.
template <class T>
int errno_of(const Result<T>& result) {
  return result ? 0 : result.error().errnum();
}

// What has to be there for the test to go on. clang-tidy can't see that REQUIRE checks an optional.
template <class T>
const T& present(const std::optional<T>& value) {
  if (!value) {
    throw std::bad_optional_access();
  }
  return *value;
}

// A file system over a temporary directory. Its helpers fail the test case where what they do
// isn't what the test is about.
class Fixture {
 public:
  explicit Fixture(const FixtureOptions& options = {});

  std::filesystem::path operator/(std::string_view name) const { return source_ / name; }
  const std::filesystem::path& path() const { return source_.path(); }

  FileSystem& fs() { return *fs_; }
  FakeRegistry& registry() { return registry_; }
  mmapdir::MappingCache& cache() { return cache_; }

  // Looks up each component of a path from the root; the counts of all of them stay raised.
  Entry look_up(std::string_view path);
  NodeId node_of(std::string_view path) { return look_up(path).node; }

  OpenedFile open(NodeId node);
  std::string read(HandleId handle, std::uint64_t offset, std::size_t length);
  std::string read_whole(NodeId node);

  HandleId open_root();
  // Everything from a cookie on, without and with lookups.
  std::vector<Listed> list(HandleId handle, std::uint64_t cookie = 0);
  std::vector<Listed> list_plus(HandleId handle, std::uint64_t cookie = 0);

 private:
  TemporaryDirectory source_;
  mmapdir::MappingCache cache_;
  FakeRegistry registry_;
  std::unique_ptr<FileSystem> fs_;
};

}  // namespace mmapdirfs::test
