// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "available_memory.h"
#include "mmapdir/byte_range.h"
#include "mmapdir/relative_path.h"
#include "mmapdir/result.h"
#include "mmapdir/warm.h"

namespace mmapdir {

class PageReader;

// Parts of a file that are to be in memory.
struct WarmRequest {
  RelativePath path;
  std::vector<ByteRange> ranges;
};

// Reads parts of many files, in their order, and says what became of it. Borrows everything that it
// is made with. For one thread.
class Warmer {
 public:
  Warmer(int root, const WarmOptions& options, const AvailableMemory& memory,
         const WarmProgressCallback& progress, const std::stop_token& stop);

  WarmReport warm(const std::vector<WarmRequest>& requests);

 private:
  std::uint64_t read(PageReader& reader, const WarmRequest& request);
  void count_resident(const WarmRequest& request, std::uint64_t in_memory);
  void fail(const WarmRequest& request, const Error& error);

  const int root_;
  const WarmOptions& options_;
  const AvailableMemory& memory_;
  const WarmProgressCallback& progress_;
  const std::stop_token& stop_;
  WarmReport report_;
  std::vector<std::uint64_t> in_memory_;  // by request: bytes, once
};

// warm() with memory to be chosen by a test.
Result<WarmReport> warm_with(int root, std::vector<PathPattern> patterns,
                             const WarmOptions& options, const AvailableMemory& memory,
                             const WarmProgressCallback& progress, const std::stop_token& stop);

}  // namespace mmapdir
