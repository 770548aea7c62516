// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "mmapdir/mapping_cache.h"

namespace mmapdir {

// The first bytes of a file, mapped MAP_SHARED and PROT_READ; its destructor unmaps them. A
// resource type: it neither moves nor copies.
class FileMapping final : public Mapping {
 public:
  // `fd` is only borrowed. A length of 0 maps nothing, which the kernel would refuse.
  static Result<std::unique_ptr<const FileMapping>> map(int fd, std::uint64_t length);

  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  ~FileMapping() override;

  std::span<const std::byte> bytes() const override { return bytes_; }

 private:
  explicit FileMapping(std::span<const std::byte> bytes) : bytes_(bytes) {}

  const std::span<const std::byte> bytes_;
};

}  // namespace mmapdir
