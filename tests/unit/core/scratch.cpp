// SPDX-License-Identifier: MIT
#include "scratch.h"

#include <fcntl.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "mmapdir/residency.h"

namespace mmapdir::test {
namespace fs = std::filesystem;

ScratchDirectory::ScratchDirectory() {
  std::string name = fs::temp_directory_path() / "mmapdir-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

UniqueFd open_file(const fs::path& path, int flags) {
  return UniqueFd(must(::open(path.c_str(), flags | O_CLOEXEC, 0644), "open"));
}

void put_file(const fs::path& path, std::string_view text) {
  const auto fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  must(::write(fd.get(), text.data(), text.size()), "write");
}

void append_to(const fs::path& path, std::string_view text) {
  const auto fd = open_file(path, O_WRONLY | O_APPEND);
  must(::write(fd.get(), text.data(), text.size()), "write");
}

void resize(const fs::path& path, std::uint64_t size) { fs::resize_file(path, size); }

void drop_from_memory(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::uint64_t resident = 1;
  while (resident > 0 && std::chrono::steady_clock::now() < deadline) {
    must(::fsync(fd), "fsync");
    REQUIRE(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    const auto residency = residency_of(fd, 1);
    REQUIRE(residency);
    resident = residency->resident_bytes;
  }
  REQUIRE(resident == 0);
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::size_t open_descriptors_in(const fs::path& path) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;  // the iterator's own descriptor
    if (fs::read_symlink(entry.path(), ignored).native().starts_with(path.native())) {
      ++count;
    }
  }
  return count;
}

RelativePath relative(std::string_view text) {
  auto path = RelativePath::parse(text);
  REQUIRE(path);
  return *path;
}

std::vector<RelativePath> relative(std::initializer_list<std::string_view> texts) {
  std::vector<RelativePath> paths;
  for (const auto text : texts) {
    paths.push_back(relative(text));
  }
  return paths;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(const OwnedBytes& bytes) {
  std::string text(bytes.size(), '\0');
  if (const auto copied = bytes.copy_to(std::as_writable_bytes(std::span(text))); !copied) {
    throw std::system_error(copied.error().code(), copied.error().message());
  }
  return text;
}

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::string mapping_flags_at(const std::byte* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool is_inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char hyphen = 0;
    if (fields >> std::hex >> begin >> hyphen >> end && hyphen == '-') {
      is_inside = begin <= wanted && wanted < end;
    } else if (is_inside && line.starts_with("VmFlags:")) {
      return line + ' ';
    }
  }
  return {};
}

void skip(const std::string& reason) {
  if (std::getenv("CI") != nullptr) {  // NOLINT(concurrency-mt-unsafe): nobody sets variables here
    FAIL("must run in CI: " << reason);
  }
  SKIP(reason);
  std::abort();  // SKIP throws, which it doesn't declare
}

}  // namespace mmapdir::test
