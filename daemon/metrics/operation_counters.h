// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "metrics/operation_figures.h"
#include "metrics/operation_kind.h"

namespace mmapdirfs {

// How an operation ended.
struct OperationOutcome {
  std::chrono::nanoseconds latency{};
  int errnum = 0;
  std::size_t bytes = 0;  // read or written
};

// Counts operations. Each thread counts in memory of its own, so that counting takes no lock,
// shares no cache line and, but for a thread's first operation of a kind, allocates nothing. What a
// thread has counted is kept when it ends, and its memory is given to the next one that begins to
// count.
//
// A resource type. Any thread may call.
class OperationCounters {
 public:
  OperationCounters();
  OperationCounters(const OperationCounters&) = delete;
  OperationCounters& operator=(const OperationCounters&) = delete;
  ~OperationCounters();

  // Where memory has run out, the operation isn't counted.
  void count(OperationKind kind, const OperationOutcome& outcome) noexcept;

  // Of each kind that has occurred, in the order of the kinds. Those who count aren't held up.
  std::vector<OperationFigures> figures() const;

 private:
  class Series;
  class Shard;
  class Shards;
  struct Lease;

  Shard& own_shard();

  const std::shared_ptr<Shards> shards_;
};

}  // namespace mmapdirfs
