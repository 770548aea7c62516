// SPDX-License-Identifier: MIT
#include "metrics/operation_counters.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <thread>
#include <utility>

#include "support/guarded.h"

namespace mmapdirfs {
namespace {

constexpr std::size_t kErrnos = 134;  // EHWPOISON, Linux's last, is 133

using Counter = std::atomic<std::uint64_t>;

// By the only thread that writes it.
void add(Counter& counter, std::uint64_t value) {
  counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_release);
}

std::uint64_t value_of(const Counter& counter) { return counter.load(std::memory_order_acquire); }

}  // namespace

// The operations of one kind that one thread has counted. A sequence lock: who reads takes numbers
// that belong together, and who writes never waits. Its number is odd while they are being changed;
// each of them is released and acquired, so that nobody sees a new one with the old number.
class OperationCounters::Series {
 public:
  void count(const OperationOutcome& outcome);
  void add_to(OperationFigures& figures) const;

 private:
  struct Values {
    std::uint64_t nanoseconds = 0;
    std::uint64_t longest = 0;
    std::uint64_t bytes = 0;
    std::array<std::uint64_t, latency_buckets::kCount> buckets{};
    std::array<std::uint64_t, kErrnos> errors{};
  };

  bool read(Values& values) const;

  Counter sequence_ = 0;
  Counter nanoseconds_ = 0;
  Counter longest_ = 0;
  Counter bytes_ = 0;
  std::array<Counter, latency_buckets::kCount> buckets_{};
  std::array<Counter, kErrnos> errors_{};
};

void OperationCounters::Series::count(const OperationOutcome& outcome) {
  const auto nanoseconds =
      static_cast<std::uint64_t>(std::max<std::int64_t>(outcome.latency.count(), 0));
  const std::uint64_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  add(nanoseconds_, nanoseconds);
  add(buckets_[latency_buckets::index_of(nanoseconds)], 1);
  if (nanoseconds > longest_.load(std::memory_order_relaxed)) {
    longest_.store(nanoseconds, std::memory_order_release);
  }
  if (outcome.bytes != 0) {
    add(bytes_, outcome.bytes);
  }
  if (outcome.errnum != 0) {
    const auto errnum = static_cast<std::size_t>(outcome.errnum);
    add(errors_[errnum < kErrnos ? errnum : 0], 1);
  }
  sequence_.store(sequence + 2, std::memory_order_release);
}

bool OperationCounters::Series::read(Values& values) const {
  const std::uint64_t before = value_of(sequence_);
  values.nanoseconds = value_of(nanoseconds_);
  values.longest = value_of(longest_);
  values.bytes = value_of(bytes_);
  std::ranges::transform(buckets_, values.buckets.begin(), value_of);
  std::ranges::transform(errors_, values.errors.begin(), value_of);
  return before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before;
}

void OperationCounters::Series::add_to(OperationFigures& figures) const {
  Values values;
  while (!read(values)) {
    std::this_thread::yield();  // to who is counting just now
  }
  figures.nanoseconds += values.nanoseconds;
  figures.longest_nanoseconds = std::max(figures.longest_nanoseconds, values.longest);
  figures.bytes += values.bytes;
  for (std::size_t i = 0; i < values.buckets.size(); ++i) {
    figures.buckets[i] += values.buckets[i];
    figures.count += values.buckets[i];
  }
  for (std::size_t i = 0; i < values.errors.size(); ++i) {
    if (values.errors[i] != 0) {
      figures.errors[static_cast<int>(i)] += values.errors[i];
    }
  }
}

// What one thread at a time has counted. Most threads do little: one that has waited for a lock has
// counted just that. So a kind's memory is made when it first occurs.
class OperationCounters::Shard {
 public:
  Series& series(OperationKind kind) {
    auto& place = published_[index_of(kind)];
    Series* const known = place.load(std::memory_order_relaxed);
    return known != nullptr ? *known : add(kind);
  }

  void add_to(OperationKind kind, OperationFigures& figures) const {
    if (const Series* const known = published_[index_of(kind)].load(std::memory_order_acquire)) {
      known->add_to(figures);
    }
  }

 private:
  Series& add(OperationKind kind) {
    auto& owner = owners_[index_of(kind)];
    owner = std::make_unique<Series>();
    published_[index_of(kind)].store(owner.get(), std::memory_order_release);
    return *owner;
  }

  std::array<std::unique_ptr<Series>, kOperationKinds> owners_;
  std::array<std::atomic<Series*>, kOperationKinds> published_{};
};

class OperationCounters::Shards {
 public:
  Shard& take() {
    auto state = state_.lock();
    if (state->free.empty()) {
      state->free.reserve(state->all.size() + 1);  // so that giving back can't fail
      return *state->all.emplace_back(std::make_unique<Shard>());
    }
    Shard* const shard = state->free.back();
    state->free.pop_back();
    return *shard;
  }

  void give_back(Shard& shard) { state_.lock()->free.push_back(&shard); }

  // They live as long as this does.
  std::vector<const Shard*> all() const {
    auto state = state_.lock();
    std::vector<const Shard*> result;
    std::ranges::transform(state->all, std::back_inserter(result),
                           [](const auto& shard) { return shard.get(); });
    return result;
  }

 private:
  struct State {
    std::vector<std::unique_ptr<Shard>> all;
    std::vector<Shard*> free;  // of threads that have ended
  };

  mutable mmapdir::Guarded<State> state_;
};

// A thread's hold on a shard, which it may outlive: the thread of libfuse's that ended last.
struct OperationCounters::Lease {
  std::shared_ptr<Shards> shards;
  Shard* shard = nullptr;

  Lease() = default;
  explicit Lease(std::shared_ptr<Shards> from) : shards(std::move(from)), shard(&shards->take()) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (shards) {
      shards->give_back(*shard);
    }
  }

  void swap(Lease& other) noexcept {
    std::swap(shards, other.shards);
    std::swap(shard, other.shard);
  }
};

OperationCounters::OperationCounters() : shards_(std::make_shared<Shards>()) {}

OperationCounters::~OperationCounters() = default;

OperationCounters::Shard& OperationCounters::own_shard() {
  thread_local Lease lease;
  if (lease.shard == nullptr || lease.shards != shards_) {
    Lease(shards_).swap(lease);
  }
  return *lease.shard;
}

void OperationCounters::count(OperationKind kind, const OperationOutcome& outcome) noexcept {
  try {
    own_shard().series(kind).count(outcome);
  } catch (const std::bad_alloc&) {
    return;
  }
}

std::vector<OperationFigures> OperationCounters::figures() const {
  const auto shards = shards_->all();
  std::vector<OperationFigures> result;
  for (std::size_t i = 0; i < kOperationKinds; ++i) {
    OperationFigures figures{.kind = static_cast<OperationKind>(i)};
    for (const Shard* const shard : shards) {
      shard->add_to(figures.kind, figures);
    }
    if (figures.count != 0) {
      result.push_back(std::move(figures));
    }
  }
  return result;
}

}  // namespace mmapdirfs
