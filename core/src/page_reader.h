// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "available_memory.h"
#include "mmapdir/byte_range.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"
#include "mmapdir/warm.h"

namespace mmapdir {

// Reads parts of files into the page cache, one after the other, as fast and as much as a
// WarmOptions allows for all of them together. A resource type, for one thread.
class PageReader {
 public:
  PageReader(const WarmOptions& options, const AvailableMemory& memory,
             const WarmProgressCallback& progress, std::stop_token stop, std::uint64_t total);

  // Reads what isn't in memory of a range, in order; moves the descriptor's offset. Returns how
  // many bytes of it are in memory since: fewer than the range has where it holds holes, where the
  // file was truncated, and where something has stopped the reader. `path` is only shown.
  Result<std::uint64_t> read(int fd, ByteRange range, const RelativePath& path);

  // Counts bytes as done.
  void skip(std::uint64_t bytes, const RelativePath& path);

  // Set as soon as nothing more may be read; calls do nothing from then on.
  std::optional<WarmStop> stopped_by() const { return stopped_by_; }

  std::uint64_t read_bytes() const { return read_bytes_; }

  // The last word about the progress.
  void finish(const RelativePath& path);

 private:
  using Clock = std::chrono::steady_clock;

  struct Allowance {
    std::uint64_t bytes;
    WarmStop bound;  // what it is that allows no more
  };

  Result<std::uint64_t> read_data(int fd, ByteRange data, const RelativePath& path);
  bool may_go_on();
  Allowance allowance();
  void keep_to_rate();
  void report(const RelativePath& path);

  const WarmOptions options_;
  const AvailableMemory& memory_;
  const WarmProgressCallback& progress_;
  const std::stop_token stop_;
  const std::uint64_t total_;
  const std::uint64_t piece_bytes_;
  const Clock::time_point begin_ = Clock::now();

  std::optional<WarmStop> stopped_by_;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::uint64_t memory_bytes_ = 0;                // the share of it, as it was when it was
  std::optional<std::uint64_t> memory_asked_at_;  // asked for, at that count of read_bytes_
  Clock::time_point reported_;
};

}  // namespace mmapdir
