// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mmapdir/mmap_directory.h"
#include "scratch.h"
#include "support/memory_directory.h"

namespace mmapdir::test {

// What the contract of directory.h is tested on: one class per implementation, each with
//   DirectoryWriter& directory();
//   void make_directory(path);   // which the interface has no method for
//   std::unique_ptr<DirectoryWriter> another();   // showing the same files
template <std::size_t kMaxMappings>
class OnDisk {
 public:
  OnDisk() : directory_(open()) {}

  DirectoryWriter& directory() { return directory_; }
  void make_directory(const RelativePath& path) const {
    std::filesystem::create_directories(scratch_.path() / path.string());
  }
  std::unique_ptr<DirectoryWriter> another() const {
    return std::make_unique<MmapDirectory>(open());
  }

 private:
  MmapDirectory open() const {
    return MmapDirectory::open(scratch_.path(),
                               {.mappings = MappingLimits{.max_mappings = kMaxMappings,
                                                          .max_bytes = std::uint64_t{1} << 32U}})
        .value();
  }

  ScratchDirectory scratch_;
  MmapDirectory directory_;
};

class Mapped : public OnDisk<1000> {};
class ByPread : public OnDisk<0> {};

class InMemory {
 public:
  DirectoryWriter& directory() { return directory_; }
  void make_directory(const RelativePath& path) { directory_.make_directory(path); }
  std::unique_ptr<DirectoryWriter> another() const {
    return std::make_unique<MemoryDirectory>(directory_);
  }

 private:
  MemoryDirectory directory_;
};

}  // namespace mmapdir::test

// A promise that every implementation keeps; TestType is one of them.
#define CONTRACT_TEST(promise) \
  TEMPLATE_TEST_CASE(promise, "[contract]", test::Mapped, test::ByPread, test::InMemory)
