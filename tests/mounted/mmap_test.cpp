// SPDX-License-Identifier: MIT
// Files of the mount can be mapped, shared and private, in each read path.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "support/files.h"
#include "support/mount.h"
#include "support/read_paths.h"

namespace mmapdir::test {
namespace {

// A mapping for as long as the object lives. A resource type.
class Mapped {
 public:
  Mapped(const std::filesystem::path& path, std::size_t size, int protection, int flags)
      : size_(size) {
    const UniqueFd file = open_fd(path, O_RDONLY);
    address_ = ::mmap(nullptr, size, protection, flags, file.get(), 0);
    must(address_ == MAP_FAILED ? -1 : 0, "mmap");
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() { ::munmap(address_, size_); }

  char* data() { return static_cast<char*>(address_); }
  std::string_view bytes() const { return {static_cast<const char*>(address_), size_}; }

 private:
  void* address_ = nullptr;
  std::size_t size_;
};

TEST_CASE("A shared mapping shows the source's bytes, for a file of any size", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const auto names = make_files_of_each_size(source.path());
  const Mount mount(source.path(), {.options = path});
  for (const std::string& name : names) {
    const std::string expected = read_file(source / name);
    if (!expected.empty()) {  // nothing can be mapped of an empty file
      CAPTURE(name);
      const Mapped shared(mount / name, expected.size(), PROT_READ, MAP_SHARED);
      CHECK(difference(shared.bytes(), expected).empty());
      const Mapped own(mount / name, expected.size(), PROT_READ, MAP_PRIVATE);
      CHECK(difference(own.bytes(), expected).empty());
    }
  }
}

TEST_CASE("The last page of a mapping is zero beyond the end of the file", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", pattern(5000, 1));
  const Mount mount(source.path(), {.options = path});
  const Mapped mapped(mount / "file", 8192, PROT_READ, MAP_SHARED);
  CHECK(difference(mapped.bytes(), read_file(source / "file") + std::string(3192, '\0')).empty());
}

TEST_CASE("What is written to a private mapping stays private", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern(100'000, 2);
  write_file(source / "file", content);
  const Mount mount(source.path(), {.options = path});

  Mapped own(mount / "file", content.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
  std::fill_n(own.data(), content.size(), 'x');
  CHECK(difference(own.bytes(), std::string(content.size(), 'x')).empty());
  CHECK(difference(read_file(mount / "file"), content).empty());
  CHECK(difference(read_file(source / "file"), content).empty());
  const Mapped other(mount / "file", content.size(), PROT_READ, MAP_SHARED);
  CHECK(difference(other.bytes(), content).empty());
}

TEST_CASE("A mapping stays readable after its descriptor and its file's name are gone", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern(300'000, 3);
  write_file(source / "file", content);
  const Mount mount(source.path(), {.options = path});
  const Mapped mapped(mount / "file", content.size(), PROT_READ, MAP_SHARED);
  std::filesystem::remove(source / "file");
  CHECK(difference(mapped.bytes(), content).empty());
}

TEST_CASE("A descriptor serves mapping and reading at the same time", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  const std::string content = pattern(600'000, 4);
  write_file(source / "file", content);
  const Mount mount(source.path(), {.options = path});
  const Mapped mapped(mount / "file", content.size(), PROT_READ, MAP_SHARED);
  const UniqueFd file = open_fd(mount / "file", O_RDONLY);
  for (std::size_t offset = 0; offset < content.size(); offset += 50'000) {
    CAPTURE(offset);
    const std::string_view expected = std::string_view(content).substr(offset, 50'000);
    CHECK(difference(read_at(file.get(), 50'000, static_cast<off_t>(offset)), expected).empty());
    CHECK(difference(mapped.bytes().substr(offset, 50'000), expected).empty());
  }
}

TEST_CASE("A writable shared mapping of the read-only mount is refused", "[mmap]") {
  const ReadPath path = each_read_path();
  const TemporaryDirectory source;
  write_file(source / "file", "content");
  const Mount mount(source.path(), {.options = path});
  const UniqueFd file = open_fd(mount / "file", O_RDONLY);
  const void* mapped = ::mmap(nullptr, 7, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  CHECK(mapped == MAP_FAILED);
  CHECK(errno == EACCES);
}

}  // namespace
}  // namespace mmapdir::test
