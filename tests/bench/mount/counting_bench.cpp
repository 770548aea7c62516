// SPDX-License-Identifier: MIT
// What counting costs: the time that it adds to an operation which copies 4 KiB from somewhere in
// a file's worth of memory, beside the time that a random read of 4 KiB of a mounted file takes as
// a whole. Prints both as JSON, in nanoseconds. Each is that of the fastest of many short rounds:
// in the others the processor did something else as well.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "fuse/running_operation.h"
#include "metrics/operation_counters.h"
#include "support/unique_fd.h"

namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::duration<double, std::nano>;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMemory = 64UL << 20U;
constexpr int kRounds = 1000;
constexpr int kCopies = 500;
constexpr int kReads = 50;

// How long one of them takes, in nanoseconds.
template <class Work>
double time_each(int count, Work work) {
  const auto begin = Clock::now();
  for (int i = 0; i < count; ++i) {
    work();
  }
  return Nanoseconds(Clock::now() - begin).count() / count;
}

double counting_cost() {
  mmapdirfs::OperationCounters counters;
  std::minstd_rand random;
  const std::vector<std::byte> memory(kMemory, std::byte{1});
  std::array<std::byte, kPage> page{};
  std::uniform_int_distribution<std::size_t> pages(0, (kMemory / kPage) - 1);
  // Each copy waits for the one before, as requests do; all bytes are 1, so it stays in the memory.
  const auto copy = [&] {
    const std::size_t index = pages(random) ^ std::to_integer<std::size_t>(page.back());
    std::memcpy(page.data(), &memory[index * kPage], kPage);
  };
  const auto copy_and_count = [&] {
    const mmapdirfs::RunningOperation operation(counters, nullptr, mmapdirfs::OperationKind::kRead);
    copy();
    mmapdirfs::note_bytes(nullptr, kPage);
  };
  double alone = std::numeric_limits<double>::infinity();
  double counted = alone;
  for (int i = 0; i < kRounds; ++i) {
    alone = std::min(alone, time_each(kCopies, copy));
    counted = std::min(counted, time_each(kCopies, copy_and_count));
  }
  return counted - alone;
}

std::optional<double> read_time(const char* path) {
  const mmapdir::UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  struct stat attributes{};
  if (!file || ::fstat(file.get(), &attributes) != 0 || attributes.st_size < off_t{kPage}) {
    return std::nullopt;
  }
  std::minstd_rand random;
  std::uniform_int_distribution<off_t> pages(0, (attributes.st_size / off_t{kPage}) - 1);
  std::array<std::byte, kPage> page{};
  bool all_read = true;
  double time = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRounds; ++i) {
    time = std::min(time, time_each(kReads, [&] {
                      all_read &= ::pread(file.get(), page.data(), kPage,
                                          pages(random) * off_t{kPage}) == kPage;
                    }));
  }
  return all_read ? std::optional(time) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "Usage: mmapdirfs_counting_bench FILE\n");
    return 2;
  }
  const auto read = read_time(std::span(argv, 2)[1]);
  if (!read) {
    fmt::print(stderr, "mmapdirfs_counting_bench: the file can't be read, or is empty\n");
    return 1;
  }
  fmt::print("{{\"counting\": {:.1f}, \"read\": {:.1f}}}\n", counting_cost(), *read);
}
