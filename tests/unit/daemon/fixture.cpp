// SPDX-License-Identifier: MIT
#include "unit/daemon/fixture.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <ranges>

#include "support/requirements.h"
#include "unit/daemon/credentials.h"

namespace mmapdirfs::test {
namespace {

// Whether files can be reached by handle is settled when the file system is made.
std::unique_ptr<FileSystem> create(const std::filesystem::path& source,
                                   const FixtureOptions& options, mmapdir::MappingCache& cache,
                                   BackingRegistry& registry) {
  std::unique_ptr<FileSystem> fs;
  const auto make = [&] {
    auto made = FileSystem::create(open_directory(source),
                                   {.read_path = options.read_path,
                                    .cached_descriptors = options.cached_descriptors,
                                    .labels_are_unused = options.labels_are_unused},
                                   cache, registry);
    if (made) {
      fs = std::move(*made);
    }
  };
  if (options.reaching == Reaching::kByHandle) {
    make();
  } else {
    without_capability(CAP_DAC_READ_SEARCH, make);
  }
  REQUIRE(fs);
  if (options.reaching == Reaching::kByHandle && !fs->has_handles()) {
    mmapdir::test::skip("files can't be reached by handle here: CAP_DAC_READ_SEARCH is missing");
  }
  REQUIRE(fs->has_handles() == (options.reaching == Reaching::kByHandle));
  return fs;
}

}  // namespace

Reaching each_reaching() {
  const auto reaching = GENERATE(Reaching::kByName, Reaching::kByHandle);
  INFO("files are found again " << (reaching == Reaching::kByName ? "by name" : "by handle"));
  return reaching;
}

Caller self() { return {.uid = ::geteuid(), .gid = ::getegid(), .umask = 022}; }

UniqueFd open_directory(const std::filesystem::path& path) {
  return open_fd(path, O_RDONLY | O_DIRECTORY);
}

Fixture::Fixture(const FixtureOptions& options)
    : cache_(options.limits), fs_(create(source_.path(), options, cache_, registry_)) {}

Entry Fixture::look_up(std::string_view path) {
  NodeId directory = kRootNode;
  Entry entry{};
  for (const auto part : std::views::split(path, '/')) {
    const auto found = fs_->lookup(directory, std::string(part.begin(), part.end()).c_str());
    INFO("look up " << path);
    REQUIRE(errno_of(found) == 0);
    entry = *found;
    directory = entry.node;
  }
  return entry;
}

OpenedFile Fixture::open(NodeId node) {
  const auto opened = fs_->open(node, O_RDONLY, self());
  REQUIRE(errno_of(opened) == 0);
  return *opened;
}

std::string Fixture::read(HandleId handle, std::uint64_t offset, std::size_t length) {
  std::vector<std::byte> scratch;
  const auto view = fs_->read(handle, offset, length, scratch);
  REQUIRE(errno_of(view) == 0);
  return {reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size()};
}

std::string Fixture::read_whole(NodeId node) {
  constexpr std::size_t kMoreThanAnyTestFile = std::size_t{1} << 24U;
  const auto handle = open(node).handle;
  std::string bytes = read(handle, 0, kMoreThanAnyTestFile);
  fs_->release(handle);
  return bytes;
}

HandleId Fixture::open_root() {
  const auto handle = fs_->opendir(kRootNode);
  REQUIRE(errno_of(handle) == 0);
  return *handle;
}

std::vector<Listed> Fixture::list(HandleId handle, std::uint64_t cookie) {
  RecordingSink sink;
  REQUIRE(errno_of(fs_->readdir(handle, cookie, sink)) == 0);
  return sink.lines();
}

std::vector<Listed> Fixture::list_plus(HandleId handle, std::uint64_t cookie) {
  RecordingSink sink;
  REQUIRE(errno_of(fs_->readdirplus(kRootNode, handle, cookie, sink)) == 0);
  return sink.lines();
}

}  // namespace mmapdirfs::test
