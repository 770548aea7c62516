// SPDX-License-Identifier: MIT
#include "page_reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <tuple>
#include <utility>

#include "mmapdir/advice.h"
#include "page_math.h"
#include "posix.h"
#include "resident_pages.h"
#include "temporary_mapping.h"

namespace mmapdir {
namespace {

// Between two looks at the stop token, the bounds and the clock.
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20U;

// The memory is asked for again after so much reading.
constexpr std::uint64_t kBytesBetweenQuestions = std::uint64_t{16} << 20U;

// A rate of 0 is as slow as it gets: it can still be waited for and cancelled.
constexpr std::uint64_t kSlowest = 1;

// Whole pages, ten pieces a second, so that they don't come in bursts.
std::uint64_t piece_at_rate(std::uint64_t bytes_per_second) {
  const auto pages = bytes_per_second / 10 / page_size();
  return std::clamp(pages * page_size(), page_size(), kPieceBytes);
}

// The first data within a range, or an empty range at its end. Where holes aren't told from data
// everything is data.
ByteRange next_data(int fd, ByteRange range) {
  const auto end = range.offset + range.length;
  const auto begin = ::lseek(fd, static_cast<off_t>(range.offset), SEEK_DATA);
  if (begin < 0) {
    return errno == ENXIO ? ByteRange{.offset = end, .length = 0} : range;
  }
  const auto hole = ::lseek(fd, begin, SEEK_HOLE);
  const auto first = std::min(static_cast<std::uint64_t>(begin), end);
  const auto last = hole < 0 ? end : std::min(static_cast<std::uint64_t>(hole), end);
  return {.offset = first, .length = last - std::min(first, last)};
}

// How many bytes of the piece are in memory: none, if the kernel doesn't tell.
std::uint64_t resident_bytes(int fd, ByteRange piece) {
  auto pages = ResidentPages::of(fd);
  const auto begin = piece.offset / page_size();
  const auto count = pages_of(piece.offset + piece.length) - begin;
  const auto resident = pages ? pages->count(begin, count) : Result<std::uint64_t>(0);
  return std::min(resident.value_or(0) * page_size(), piece.length);
}

// By read(2), which reads ahead by itself. Ends without an error where the file does.
Result<void> read_through(int fd, ByteRange piece) {
  std::array<std::byte, std::size_t{64} * 1024> unused;  // NOLINT: never read
  while (piece.length > 0) {
    const auto wanted = std::min<std::uint64_t>(piece.length, unused.size());
    const auto count = retry_interrupted(
        [&] { return ::pread(fd, unused.data(), wanted, static_cast<off_t>(piece.offset)); });
    if (count < 0) {
      return std::unexpected(Error::from_errno(errno, "read"));
    }
    if (count == 0) {
      return {};
    }
    piece.offset += static_cast<std::uint64_t>(count);
    piece.length -= static_cast<std::uint64_t>(count);
  }
  return {};
}

// Populating a mapping copies nothing. Where it can't be done (no mapping to be had, a kernel
// before 5.14, a file truncated under it, storage that fails) reading says why, if it fails too.
Result<void> bring_into_memory(int fd, ByteRange piece) {
  std::ignore = advise_file(fd, piece, Advice::kWillNeed);  // all of it under way at once
  const auto mapping = TemporaryMapping::of(fd, whole_pages(piece));
  if (mapping) {
    std::ignore = ::madvise(mapping->address(), mapping->length(), MADV_SEQUENTIAL);
    if (::madvise(mapping->address(), mapping->length(), MADV_POPULATE_READ) == 0) {
      return {};
    }
  }
  return read_through(fd, piece);
}

// A time to come is waited for only as long as nobody requests a stop.
void wait_until(std::chrono::steady_clock::time_point time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, stop, time, [] { return false; });
}

}  // namespace

PageReader::PageReader(const WarmOptions& options, const AvailableMemory& memory,
                       const WarmProgressCallback& progress, std::stop_token stop,
                       std::uint64_t total)
    : options_(options),
      memory_(memory),
      progress_(progress),
      stop_(std::move(stop)),
      total_(total),
      piece_bytes_(options.bytes_per_second ? piece_at_rate(*options.bytes_per_second)
                                            : kPieceBytes) {}

Result<std::uint64_t> PageReader::read(int fd, ByteRange range, const RelativePath& path) {
  std::uint64_t in_memory = 0;
  while (range.length > 0 && may_go_on()) {
    const auto data = next_data(fd, range);
    const auto hole = data.offset - range.offset;
    if (hole > 0) {
      skip(hole, path);
    }
    const auto count = read_data(fd, data, path);
    if (!count) {
      return count;
    }
    in_memory += *count;
    range.offset += hole + data.length;
    range.length -= hole + data.length;
  }
  return in_memory;
}

Result<std::uint64_t> PageReader::read_data(int fd, ByteRange data, const RelativePath& path) {
  std::uint64_t in_memory = 0;
  while (data.length > 0 && may_go_on()) {
    ByteRange piece{.offset = data.offset, .length = std::min(data.length, piece_bytes_)};
    auto missing = piece.length - resident_bytes(fd, piece);
    if (const auto left = allowance(); missing > left.bytes) {
      // Whole pages; which of these are in memory already doesn't matter any more.
      piece.length = left.bytes / page_size() * page_size();
      missing = piece.length;
      if (piece.length == 0) {
        stopped_by_ = left.bound;
        break;
      }
    }
    if (missing > 0) {
      if (const auto brought = bring_into_memory(fd, piece); !brought) {
        return std::unexpected(brought.error());
      }
      read_bytes_ += missing;
      keep_to_rate();
    }
    in_memory += piece.length;
    skip(piece.length, path);
    data.offset += piece.length;
    data.length -= piece.length;
  }
  return in_memory;
}

bool PageReader::may_go_on() {
  if (!stopped_by_ && stop_.stop_requested()) {
    stopped_by_ = WarmStop::kCancel;
  }
  return !stopped_by_;
}

PageReader::Allowance PageReader::allowance() {
  if (!memory_asked_at_ || read_bytes_ - *memory_asked_at_ >= kBytesBetweenQuestions) {
    // Divided first: 100 times the memory of a large machine would fit, what isn't bounded not.
    memory_bytes_ = memory_.now().bytes / 100 * options_.memory_percent;
    memory_asked_at_ = read_bytes_;
  }
  const auto limit = options_.limit_bytes.value_or(std::numeric_limits<std::uint64_t>::max());
  const auto bound = std::min(limit, memory_bytes_);
  return {.bytes = bound - std::min(bound, read_bytes_),
          .bound = limit <= memory_bytes_ ? WarmStop::kLimit : WarmStop::kMemory};
}

void PageReader::keep_to_rate() {
  if (const auto rate = options_.bytes_per_second) {
    const auto due =
        static_cast<double>(read_bytes_) / static_cast<double>(std::max(*rate, kSlowest));
    wait_until(
        begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due)),
        stop_);
  }
}

void PageReader::skip(std::uint64_t bytes, const RelativePath& path) {
  constexpr auto kInterval = std::chrono::milliseconds(100);
  done_bytes_ += bytes;
  if (progress_ && Clock::now() - reported_ >= kInterval) {
    report(path);
  }
}

void PageReader::finish(const RelativePath& path) {
  if (progress_) {
    report(path);
  }
}

void PageReader::report(const RelativePath& path) {
  reported_ = Clock::now();
  const std::chrono::duration<double> elapsed = reported_ - begin_;
  const auto rate = static_cast<double>(done_bytes_) / std::max(elapsed.count(), 1e-3);
  progress_({.bytes = done_bytes_,
             .total = total_,
             .bytes_per_second = static_cast<std::uint64_t>(rate),
             .path = path});
}

}  // namespace mmapdir
