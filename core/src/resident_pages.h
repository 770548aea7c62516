// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mmapdir/residency.h"
#include "mmapdir/result.h"

namespace mmapdir {

// Asks which pages of a file are in the page cache. Borrows the descriptor. Not for several threads
// at once.
class ResidentPages {
 public:
  // The source that is to be had for this file: on overlayfs only mincore sees the pages, which are
  // those of the file beneath.
  static Result<ResidentPages> of(int fd);

  // By mincore in any case.
  static Result<ResidentPages> by_mincore(int fd);

  std::uint64_t file_size() const { return file_size_; }
  ResidencySource source() const { return source_; }

  // How many of these pages are in memory; of those beyond the end none is.
  Result<std::uint64_t> count(std::uint64_t first_page, std::uint64_t pages);

  // A byte per page, whose lowest bit says whether it is in memory; by mincore, so for windows of
  // kWindowPages at most. Valid until the next call.
  Result<std::span<const unsigned char>> look_at(std::uint64_t first_page, std::uint64_t pages);

  // 1 GiB in pages of 4 KiB: few system calls, and 256 KiB for the answer.
  static constexpr std::uint64_t kWindowPages = std::uint64_t{1} << 18U;

 private:
  ResidentPages(int fd, std::uint64_t file_size, ResidencySource source)
      : fd_(fd), file_size_(file_size), source_(source) {}

  Result<std::uint64_t> count_by_mincore(std::uint64_t first_page, std::uint64_t pages);

  int fd_;
  std::uint64_t file_size_;
  ResidencySource source_;
  std::vector<unsigned char> answer_;
};

// What residency_of() and resident_ranges() are made of.
Result<Residency> residency_from(ResidentPages pages, std::size_t max_cells);
Result<std::vector<ByteRange>> ranges_from(ResidentPages pages);

}  // namespace mmapdir
